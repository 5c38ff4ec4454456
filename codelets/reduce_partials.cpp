// SPDX-License-Identifier: Apache-2.0
#include "codelets/charges.h"
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"

namespace tessera::codelets {
namespace {

Status check(const VertexShape& shape) {
  TRY(check_epilogue_params("reduce_partials", shape));
  if (shape.operands.empty()) return check_operand_count("reduce_partials", shape, 2);
  TRY(check_operand("reduce_partials", shape, 0, floats({kAnySize, kAnySize, kAnySize})));
  const Shape& partials = shape.operands[0].size;
  return check_epilogue("reduce_partials", shape, 1, {1, partials[1], partials[2]});
}

Cycles cycles(const VertexShape& shape, const Target& target) {
  const OperandShape& partials = shape.operands[0];
  const OperandShape& out = shape.operands.back();
  return reduce_cycles(partials.size[0], elements(out.size), partials.dtype, out.dtype, target) +
         epilogue_cycles(shape, target);
}

std::string constants(const VertexShape& shape) {
  return bytes_of(ReducePartialsConstants{.partials = element_of(shape.operands[0].dtype),
                                          .end = epilogue_constants(shape, 1)});
}

Extents extents(const VertexShape& shape) {
  std::vector<std::string> letters = {"pMN"};
  append_epilogue_letters(shape, ".MN", letters);
  return {
      std::move(letters), {{'M', 1}, {'N', 64}},
       1
  };
}

}  // namespace

Codelet reduce_partials() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 1024,
          .state_bytes = always<32>,
          .constants = constants,
          .extents = extents};
}

}  // namespace tessera::codelets
