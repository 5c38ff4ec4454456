// SPDX-License-Identifier: Apache-2.0
#include "compiler/plan/pack.h"

#include <algorithm>

#include "compiler/plan/grid.h"

namespace tessera {
namespace {

// Narrower columns would spare exchange and cost more in short rows than they spare.
constexpr int64_t kColumns = 8;

}  // namespace

PackCut plan_pack(const PackShape& shape, const Target& target, int64_t working_bytes) {
  const int64_t size = size_of(shape.dtype);
  PackCut best;
  int64_t best_cycles = -1;
  for (; best_cycles < 0; working_bytes *= 2) {
    for (int64_t columns : block_sizes(shape.columns, target.tiles, kColumns)) {
      const int64_t parts = ceil_div(shape.columns, columns);
      const int64_t rows = ceil_div(shape.rows, std::min(shape.rows, target.tiles / parts));
      const int64_t received = shape.from_rows * columns * size;
      const int64_t made = rows * shape.row_size * columns * size;
      if (received + made > working_bytes) continue;
      const int64_t cycles =
          received / target.exchange_bytes_per_cycle + made / target.memcpy_bytes_per_cycle;
      if (best_cycles >= 0 && cycles >= best_cycles) continue;
      best_cycles = cycles;
      best = {rows, columns};
    }
  }
  return best;
}

}  // namespace tessera
