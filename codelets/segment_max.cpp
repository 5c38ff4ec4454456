// SPDX-License-Identifier: Apache-2.0
#include "codelets/charges.h"
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"

namespace tessera::codelets {
namespace {

Status check(const VertexShape& shape) {
  TRY(check_params("segment_max", shape, {}));
  TRY(check_operand_count("segment_max", shape, 3));
  TRY(check_operand("segment_max", shape, 0, floats({kAnySize, kAnySize, kAnySize})));
  const Shape& x = shape.operands[0].size;
  TRY(check_operand("segment_max", shape, 1, ints({x[0], x[1]})));
  TRY(check_operand("segment_max", shape, 2, written_floats(x)));
  for (const size_t i : {0, 2})
    if (shape.operands[i].dtype != DType::F32)
      return violation("segment_max", "an operand is f16, must be f32");
  return {};
}

// A select and a maximum of f32 for every two tokens of a row, as if any order may come.
Cycles cycles(const VertexShape& shape, const Target& target) {
  constexpr int64_t kQuarters = 4;
  const Shape& x = shape.operands[0].size;
  return element_cycles(elements(x) * x[1], kQuarters, DType::F32) + launch_cycles(2, target);
}

// As if each token of a row were of another segment than the one before it: then all are compared
// with all.
Extents extents(const VertexShape& shape) {
  return {
      {"Rtn", "Rt", "Rtn"},
      {{'R', 1}},
      Extents::kElementWeight * shape.operands[0].size[1]
  };
}

}  // namespace

Codelet segment_max() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 512,
          .state_bytes = always<24>,
          .constants = elements_of<SegmentMaxConstants>,
          .extents = extents};
}

}  // namespace tessera::codelets
