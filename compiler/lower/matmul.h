// SPDX-License-Identifier: Apache-2.0
// What the lowerings of both kinds of matmul share.
#pragma once

#include <vector>

#include "compiler/lower/state.h"

namespace tessera {

MatmulPlan plan_for(Lowering& lowering, const MatmulShape& shape);

// How a weight [1,k,n] lies over the tiles: cut along n where the vertices cut it, or in equal
// parts of that, and along k.
std::vector<int64_t> weight_block(int64_t k, int64_t n, int64_t plan_n, int64_t tiles);

}  // namespace tessera
