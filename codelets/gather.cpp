// SPDX-License-Identifier: Apache-2.0
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"
#include "codelets/work.h"

namespace tessera::codelets {
namespace {

Status check(const VertexShape& shape) {
  TRY(check_params("gather", shape, {}));
  TRY(check_operand_count("gather", shape, 3));
  TRY(check_operand("gather", shape, 0, {Accept::Any, Shape(3, kAnySize)}));
  TRY(check_operand("gather", shape, 1, {Accept::I32, Shape(1, kAnySize)}));
  const Shape& table = shape.operands[0].size;
  const Shape out = {1, table[0], shape.operands[1].size[0], table[2]};
  TRY(check_operand("gather", shape, 2, {Accept::Any, out, true}));
  return check_same_dtype("gather", shape, 2, 0);
}

// Every index is charged as one that this table has: 19 issues and two for each 4 bytes of the row.
// poplibs popops PerformanceEstimation.cpp getMultiSliceCycleEstimate.
Cycles cycles(const VertexShape& shape, const Target& target) {
  const OperandShape& table = shape.operands[0];
  const int64_t rows = table.size[0] * per_worker(shape.operands[1].size[0], target);
  const int64_t row = 19 + 2 * ceil_div(table.size[2] * size_of(table.dtype), 4);
  return tile_cycles(0, 30 + rows * row, target);
}

Extents extents(const VertexShape&) {
  return {
      {"P.N", "T", "1PTN"},
      {{'T', 1}, {'N', 64}}
  };
}

}  // namespace

Codelet gather() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 512,
          .state_bytes = always<28>,
          .constants = elements_of<GatherConstants>,
          .extents = extents};
}

}  // namespace tessera::codelets
