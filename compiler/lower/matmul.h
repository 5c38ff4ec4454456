// SPDX-License-Identifier: Apache-2.0
// The lowerings of both kinds of matmul share this.
#pragma once

#include <vector>

#include "compiler/lower/state.h"

namespace tessera {

MatmulPlan plan_for(Lowering& lowering, const MatmulShape& shape);

// How a weight [1,k,n] lies over the tiles: cut along n where the vertices cut it, or in equal
// parts of that, and along k.
std::vector<int64_t> weight_block(int64_t k, int64_t n, int64_t plan_n, int64_t tiles);

// The dimension of a product's [g,m,n] that is dealt out to the IPUs that compute it together: 0, 1
// (its rows) or 2 (its columns); -1: none. share_of gives the part that one IPU has.
int32_t dealt_matmul(const Lowering& lowering, const MatmulShape& shape);
MatmulShape share_of(const Lowering& lowering, MatmulShape shape, int32_t dealt);

// Gives a constant b its place, by columns where several IPUs share it.
void place_weight(Lowering& lowering, const Node* weight, const MatmulShape& shape,
                  const MatmulPlan& plan);

}  // namespace tessera
