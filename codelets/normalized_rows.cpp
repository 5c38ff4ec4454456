// SPDX-License-Identifier: Apache-2.0
#include "codelets/normalized_rows.h"

#include "codelets/charges.h"
#include "codelets/rules.h"

namespace tessera::codelets {

bool has_residual(const VertexShape& shape) { return param(*shape.params, "residual") != 0; }

Status check_normalized_rows(std::string_view codelet, const VertexShape& shape, size_t vectors) {
  TRY(check_params(codelet, shape, {"residual", "eps"}));
  TRY(int_param(codelet, shape, "residual", 0, 1));
  const bool residual = has_residual(shape);
  TRY(check_operand_count(codelet, shape, 2 + vectors + residual));
  TRY(check_operand(codelet, shape, 0, floats({kAnySize, kAnySize})));
  const Shape& x = shape.operands[0].size;
  size_t next = 1;
  if (residual) TRY(check_operand(codelet, shape, next++, floats(x)));
  for (size_t i = 0; i < vectors; ++i) TRY(check_operand(codelet, shape, next++, floats({x[1]})));
  return check_operand(codelet, shape, next, written_floats(x));
}

Cycles normalized_rows_cycles(const VertexShape& shape, const Target& target, int64_t quarters,
                              int64_t sets) {
  const OperandShape& x = shape.operands[0];
  const bool residual = has_residual(shape);
  return element_cycles(elements(x.size), quarters + (residual ? kAddQuarters : 0), x.dtype) +
         launch_cycles(sets + residual, target);
}

int64_t normalized_rows_scratch(const VertexShape& shape) {
  return (shape.operands[0].size[1] + 15) / 16 * 16 * size_of(DType::F32);
}

Extents normalized_rows_extents(const VertexShape& shape) {
  std::vector<std::string> letters;
  for (const OperandShape& operand : shape.operands)
    letters.emplace_back(operand.size.size() == 2 ? "Rn" : "n");
  return {std::move(letters), {{'R', 1}}};
}

}  // namespace tessera::codelets
