// SPDX-License-Identifier: Apache-2.0
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/normalized_rows.h"
#include "codelets/rules.h"

namespace tessera::codelets {
namespace {

Status check(const VertexShape& shape) { return check_normalized_rows("layer_norm", shape, 2); }

// Sums and squares, their deviation, subtract, scale, gamma and beta: 4 cycles an element of f16 in
// practice, in seven compute sets (popnn GroupNorm.cpp, poplin Norms.cpp).
Cycles cycles(const VertexShape& shape, const Target& target) {
  constexpr int64_t kNormQuarters = 16, kNormSets = 7;
  return normalized_rows_cycles(shape, target, kNormQuarters, kNormSets);
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

}  // namespace

Codelet layer_norm() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 1024,
          .state_bytes = state_bytes,
          .constants = constants,
          .scratch_bytes = normalized_rows_scratch,
          .extents = normalized_rows_extents};
}

}  // namespace tessera::codelets
