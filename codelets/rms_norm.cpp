// SPDX-License-Identifier: Apache-2.0
#include "codelets/rms_norm.h"

#include "codelets/charges.h"
#include "codelets/rows.h"
#include "codelets/rules.h"

namespace tessera::codelets {
namespace {

bool has_residual(const VertexShape& shape) { return param(*shape.params, "residual") != 0; }

Status check(const VertexShape& shape) {
  TRY(check_params("rms_norm", shape, {"residual", "eps"}));
  TRY(int_param("rms_norm", shape, "residual", 0, 1));
  const bool residual = has_residual(shape);
  TRY(check_operand_count("rms_norm", shape, size_t{3} + residual));
  TRY(check_operand("rms_norm", shape, 0, floats({kAnySize, kAnySize})));
  const Shape& x = shape.operands[0].size;
  size_t next = 1;
  if (residual) TRY(check_operand("rms_norm", shape, next++, floats(x)));
  TRY(check_operand("rms_norm", shape, next++, floats({x[1]})));
  return check_operand("rms_norm", shape, next, written_floats(x));
}

// A layer norm's 4 cycles an element of f16 without the sum (0.25, popops' strided reductions), the
// subtraction of the mean and the addition of beta (0.5 each), and so without two of its compute
// sets.
Cycles cycles(const VertexShape& shape, const Target& target) {
  constexpr int64_t kNormQuarters = 11, kNormSets = 5;
  const OperandShape& x = shape.operands[0];
  const bool residual = has_residual(shape);
  return element_cycles(elements(x.size), kNormQuarters + (residual ? kAddQuarters : 0), x.dtype) +
         launch_cycles(kNormSets + residual, target);
}

// Pointers and sizes, and the root of each row in f32.
int64_t state_bytes(const VertexShape& shape) { return 32 + 4 * shape.operands[0].size[0]; }

std::string constants(const VertexShape& shape) {
  const bool residual = has_residual(shape);
  const auto element = [&](size_t operand) { return element_of(shape.operands[operand].dtype); };
  return bytes_of(RmsNormConstants{.x = element(0),
                                   .has_residual = residual,
                                   .residual = residual ? element(1) : Element::F32,
                                   .gamma = element(size_t{1} + residual),
                                   .out = element(size_t{2} + residual),
                                   .eps = param(*shape.params, "eps")});
}

int64_t scratch_bytes(const VertexShape& shape) {
  return (shape.operands[0].size[1] + 15) / 16 * 16 * size_of(DType::F32);
}

Extents extents(const VertexShape& shape) {
  std::vector<std::string> letters = {"Rn", "n", "Rn"};
  if (has_residual(shape)) letters.insert(letters.begin(), "Rn");
  return {std::move(letters), {{'R', 1}}};
}

}  // namespace

Codelet rms_norm() {
  return {.name = "rms_norm",
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
