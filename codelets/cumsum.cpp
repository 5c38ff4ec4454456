// SPDX-License-Identifier: Apache-2.0
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"
#include "codelets/work.h"

namespace tessera::codelets {
namespace {

Status check(const VertexShape& shape) {
  TRY(check_params("cumsum", shape, {}));
  TRY(check_operand_count("cumsum", shape, 2));
  const Accept numbers = shape.operands[0].dtype == DType::I32 ? Accept::I32 : Accept::Float;
  TRY(check_operand("cumsum", shape, 0, {numbers, Shape(3, kAnySize)}));
  return check_operand("cumsum", shape, 1, {numbers, shape.operands[0].size, true});
}

// Load, add and store a vector of running sums, as a binary addition does (poplibs popops
// popopsCycleEstimators.cpp: 29 and 3 a vector); along rows there is one sum to a vector.
Cycles cycles(const VertexShape& shape, const Target& target) {
  const Shape& x = shape.operands[0].size;
  const int64_t width = x[2] == 1 ? 1 : vector_width(shape.operands[0].dtype);
  const int64_t vectors = ceil_div(per_worker(x[0] * x[2], target), width);
  return tile_cycles(0, 29 + vectors * x[1] * 3, target);
}

Extents extents(const VertexShape&) {
  return {
      {"OkN",    "OkN"    },
      {{'O', 1}, {'N', 16}}
  };
}

}  // namespace

Codelet cumsum() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 512,
          .state_bytes = always<20>,
          .constants = elements_of<CumsumConstants>,
          .extents = extents};
}

}  // namespace tessera::codelets
