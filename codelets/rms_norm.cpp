// SPDX-License-Identifier: Apache-2.0
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/normalized_rows.h"
#include "codelets/rules.h"

namespace tessera::codelets {
namespace {

Status check(const VertexShape& shape) { return check_normalized_rows("rms_norm", shape, 1); }

// A layer norm's 4 cycles an element of f16 without the sum (0.25, popops' strided reductions), the
// subtraction of the mean and the addition of beta (0.5 each), and so without two of its compute
// sets.
Cycles cycles(const VertexShape& shape, const Target& target) {
  constexpr int64_t kNormQuarters = 11, kNormSets = 5;
  return normalized_rows_cycles(shape, target, kNormQuarters, kNormSets);
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

}  // namespace

Codelet rms_norm() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 1024,
          .state_bytes = state_bytes,
          .constants = constants,
          .scratch_bytes = normalized_rows_scratch,
          .extents = normalized_rows_extents};
}

}  // namespace tessera::codelets
