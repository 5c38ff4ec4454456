// SPDX-License-Identifier: Apache-2.0
// The host side that layer_norm and rms_norm have in common. Operands: x [rows,n]; residual, of x's
// size, where the param says so; some vectors of n (gamma, beta); out, of x's size.
#pragma once

#include <string_view>

#include "codelets/codelet.h"

namespace tessera::codelets {

bool has_residual(const VertexShape& shape);
Status check_normalized_rows(std::string_view codelet, const VertexShape& shape, size_t vectors);
// `quarters`: quarter cycles for each f16 element; `sets`: Poplar's compute sets. A residual adds
// its own.
Cycles normalized_rows_cycles(const VertexShape& shape, const Target& target, int64_t quarters,
                              int64_t sets);
// A row in f32, in whole lanes.
int64_t normalized_rows_scratch(const VertexShape& shape);
Extents normalized_rows_extents(const VertexShape& shape);

}  // namespace tessera::codelets
