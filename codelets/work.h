// SPDX-License-Identifier: Apache-2.0
// Arithmetic of cycle formulas: work shared out over a tile's workers, in steps of a vector.
#pragma once

#include <cstdint>

#include "program/target.h"
#include "support/math.h"
#include "support/type.h"

namespace tessera {

// The slowest worker's part.
inline int64_t per_worker(int64_t work, const Target& target) {
  return ceil_div(work, target.workers);
}

// Each worker issues once in `workers` cycles: what takes it w issues takes the tile workers · w.
inline Cycles tile_cycles(int64_t supervisor, int64_t worker, const Target& target) {
  return Cycles{static_cast<uint64_t>(supervisor + target.workers * worker)};
}

// Elements in the 8 bytes that a worker loads or stores at once.
constexpr int64_t vector_width(DType dtype) { return 8 / size_of(dtype); }

}  // namespace tessera
