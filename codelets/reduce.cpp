// SPDX-License-Identifier: Apache-2.0
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"
#include "codelets/work.h"

namespace tessera::codelets {
namespace {

Status check(const VertexShape& shape) {
  TRY(check_params("reduce", shape, {"kind"}));
  TRY(int_param("reduce", shape, "kind", 0, 1));
  TRY(check_operand_count("reduce", shape, 2));
  const Accept numbers = shape.operands[0].dtype == DType::I32 ? Accept::I32 : Accept::Float;
  TRY(check_operand("reduce", shape, 0, {numbers, Shape(3, kAnySize)}));
  const Shape& x = shape.operands[0].size;
  return check_operand("reduce", shape, 1,
                       {
                           numbers, {x[0], x[2]},
                            true
  });
}

// poplibs popops reduction/CycleEstimationFunctions.cpp. Columns: strided reduction, a vector of
// sums at a time, 3 + 3 and a post of 3, then one issue for each further element. Rows: continuous
// reduction, 12 a row and one issue a vector.
Cycles cycles(const VertexShape& shape, const Target& target) {
  const Shape& x = shape.operands[0].size;
  const int64_t width = vector_width(shape.operands[0].dtype);
  if (x[2] == 1) {
    const int64_t rows = per_worker(x[0], target);
    return tile_cycles(0, 17 + rows * (ceil_div(x[1], width) + 12), target);
  }
  const int64_t vectors = ceil_div(per_worker(x[0] * x[2], target), width);
  return tile_cycles(0, 16 + vectors * (9 + x[1] - 1), target);
}

std::string constants(const VertexShape& shape) {
  return bytes_of(ReduceConstants{.x = element_of(shape.operands[0].dtype),
                                  .out = element_of(shape.operands[1].dtype),
                                  .takes_max = param(*shape.params, "kind") == 1});
}

Extents extents(const VertexShape&) {
  return {
      {"OkN",    "ON"     },
      {{'O', 1}, {'N', 16}}
  };
}

}  // namespace

Codelet reduce() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 768,
          .state_bytes = always<20>,
          .constants = constants,
          .extents = extents};
}

}  // namespace tessera::codelets
