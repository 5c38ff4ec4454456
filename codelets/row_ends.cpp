// SPDX-License-Identifier: Apache-2.0
#include "codelets/charges.h"
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"

namespace tessera::codelets {
namespace {

Status check(const VertexShape& shape) {
  TRY(check_params("row_ends", shape, {}));
  TRY(check_operand_count("row_ends", shape, 2));
  TRY(check_operand("row_ends", shape, 0, floats({kAnySize, kAnySize})));
  TRY(check_operand("row_ends", shape, 1, written_floats({shape.operands[0].size[0], 2})));
  if (shape.operands[1].dtype == DType::F32) return {};
  return violation("row_ends", "operand 1 is f16, must be f32");
}

// Two of softmax's maxima, 0.25 cycles an element of f16 each.
Cycles cycles(const VertexShape& shape, const Target& target) {
  const OperandShape& x = shape.operands[0];
  return element_cycles(elements(x.size), 2, x.dtype) + launch_cycles(2, target);
}

Extents extents(const VertexShape&) {
  return {
      {"Rn", "R."},
      {{'R', 1}}
  };
}

}  // namespace

Codelet row_ends() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 512,
          .state_bytes = always<16>,
          .constants = elements_of<RowEndsConstants>,
          .extents = extents};
}

}  // namespace tessera::codelets
