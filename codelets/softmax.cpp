// SPDX-License-Identifier: Apache-2.0
#include "codelets/charges.h"
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"

namespace tessera::codelets {
namespace {

Status check(const VertexShape& shape) {
  TRY(check_params("softmax", shape, {}));
  TRY(check_operand_count("softmax", shape, 2));
  TRY(check_operand("softmax", shape, 0, floats({kAnySize, kAnySize})));
  return check_operand("softmax", shape, 1, written_floats(shape.operands[0].size));
}

// An element of f16 takes 3 cycles: max 0.25, subtract 0.5, exp 1, sum 0.25, scale 0.5 and 0.5 of
// per-row work; f32 has half the vector width. The loops and compute sets of popnn
// NonLinearity.cpp softmaxImpl: max, subtract, exp, sum, inverse, cast, scale.
Cycles cycles(const VertexShape& shape, const Target& target) {
  const OperandShape& x = shape.operands[0];
  return element_cycles(elements(x.size), kSoftmaxQuarters, x.dtype) +
         launch_cycles(kSoftmaxSets, target);
}

Extents extents(const VertexShape&) {
  return {
      {"Rn", "Rn"},
      {{'R', 1}}
  };
}

}  // namespace

Codelet softmax() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 1024,
          .state_bytes = always<24>,
          .constants = elements_of<SoftmaxConstants>,
          .extents = extents};
}

}  // namespace tessera::codelets
