// SPDX-License-Identifier: Apache-2.0
#include "codelets/layer_norm.h"

#include "codelets/charges.h"
#include "codelets/rows.h"
#include "codelets/rules.h"

namespace tessera::codelets {
namespace {

bool has_residual(const VertexShape& shape) { return param(*shape.params, "residual") != 0; }

Status check(const VertexShape& shape) {
  TRY(check_params("layer_norm", shape, {"residual", "eps"}));
  TRY(int_param("layer_norm", shape, "residual", 0, 1));
  const bool residual = has_residual(shape);
  TRY(check_operand_count("layer_norm", shape, size_t{4} + residual));
  TRY(check_operand("layer_norm", shape, 0, floats({kAnySize, kAnySize})));
  const Shape& x = shape.operands[0].size;
  size_t next = 1;
  if (residual) TRY(check_operand("layer_norm", shape, next++, floats(x)));
  TRY(check_operand("layer_norm", shape, next++, floats({x[1]})));
  TRY(check_operand("layer_norm", shape, next++, floats({x[1]})));
  return check_operand("layer_norm", shape, next, written_floats(x));
}

// Sums and squares, their deviation, subtract, scale, gamma and beta: 4 cycles an element of f16 in
// practice, in seven compute sets (popnn GroupNorm.cpp, poplin Norms.cpp).
Cycles cycles(const VertexShape& shape, const Target& target) {
  constexpr int64_t kNormQuarters = 16, kNormSets = 7;
  const OperandShape& x = shape.operands[0];
  const bool residual = has_residual(shape);
  return element_cycles(elements(x.size), kNormQuarters + (residual ? kAddQuarters : 0), x.dtype) +
         launch_cycles(kNormSets + residual, target);
}

// Pointers and sizes, and mean and deviation of each row in f32.
int64_t state_bytes(const VertexShape& shape) { return 32 + 8 * shape.operands[0].size[0]; }

std::string constants(const VertexShape& shape) {
  const bool residual = has_residual(shape);
  const auto element = [&](size_t operand) { return element_of(shape.operands[operand].dtype); };
  return bytes_of(LayerNormConstants{.x = element(0),
                                     .has_residual = residual,
                                     .residual = residual ? element(1) : Element::F32,
                                     .gamma = element(size_t{1} + residual),
                                     .beta = element(size_t{2} + residual),
                                     .out = element(size_t{3} + residual),
                                     .eps = param(*shape.params, "eps")});
}

int64_t scratch_bytes(const VertexShape& shape) {
  return (shape.operands[0].size[1] + 15) / 16 * 16 * size_of(DType::F32);
}

Extents extents(const VertexShape& shape) {
  const bool residual = param(*shape.params, "residual") != 0;
  std::vector<std::string> letters = {"Rn", "n", "n", "Rn"};
  if (residual) letters.insert(letters.begin(), "Rn");
  return {std::move(letters), {{'R', 1}}};
}

}  // namespace

Codelet layer_norm() {
  return {.name = "layer_norm",
          .check = check,
          .cycles = cycles,
          .code_bytes = 1024,
          .state_bytes = state_bytes,
          .constants = constants,
          .scratch_bytes = scratch_bytes,
          .extents = extents,
          .bitcode = {}};
}

}  // namespace tessera::codelets
