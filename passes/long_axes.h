// SPDX-License-Identifier: Apache-2.0
// Axes that follow the row's length and hold no tokens: places, lengths, scores by place.
#pragma once

#include "passes/token_site.h"

namespace tessera {

// Where only rows are so long (TokenShape): an op that sums over such an axis, takes a part of it
// or hides it is refused.
Status check_long_axes(const TokenSite& at);
// Likewise an output that has one.
Status check_long_output(const Output& output, const TokenAxes& axes, const TokenShape& shape);

}  // namespace tessera
