// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "codelets/charges.h"
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"
#include "codelets/work.h"

namespace tessera::codelets {
namespace {

Status check(const VertexShape& shape) {
  TRY(check_params("rotary", shape, {"halves"}));
  TRY(int_param("rotary", shape, "halves", 0, 1));
  TRY(check_operand_count("rotary", shape, 4));
  TRY(check_operand("rotary", shape, 0, floats({kAnySize, kAnySize, kAnySize, kAnySize})));
  const Shape& x = shape.operands[0].size;
  if (x[3] % 2 != 0)
    return violation("rotary", "depth is " + std::to_string(x[3]) + ", must be even");
  for (const size_t i : {1, 2}) {
    const Shape& is = shape.operands[i].size;
    const bool once = is.size() == 3 && is[0] == 1;
    TRY(check_operand("rotary", shape, i, floats({once ? 1 : x[0], x[1], x[3]})));
  }
  return check_operand("rotary", shape, 3, written_floats(x));
}

// As four loops over vectors, with the inner loops and prologues of poplibs' 1D vertices (popops
// popopsCycleEstimators.cpp) and a compute set each: two products and their sum, at 3 issues a
// vector, and the swap. That is a unary operation's 2 issues: a load, and one roll of two halves
// for each half of a vector, beside the store; floats, and halves of a head, only move.
Cycles cycles(const VertexShape& shape, const Target& target) {
  constexpr int64_t kIssues = 3 + 3 + 3 + 2, kSets = 4;
  const bool half = std::ranges::all_of(
      shape.operands, [](const OperandShape& o) { return o.dtype == DType::F16; });
  const int64_t vectors =
      ceil_div(per_worker(elements(shape.operands[0].size), target), half ? 4 : 2);
  return tile_cycles(11 * kSets, (half ? 26 : 29) * kSets + vectors * kIssues, target) +
         launch_cycles(kSets, target);
}

std::string constants(const VertexShape& shape) {
  const auto element = [&](size_t operand) { return element_of(shape.operands[operand].dtype); };
  return bytes_of(RotaryConstants{.x = element(0),
                                  .cos = element(1),
                                  .sin = element(2),
                                  .out = element(3),
                                  .halves = param(*shape.params, "halves") != 0});
}

Extents extents(const VertexShape&) {
  return {
      {"BRHd", "BRd", "BRd", "BRHd"},
      {{'B', 1}, {'R', 1}, {'H', 1}}
  };
}

}  // namespace

Codelet rotary() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 512,
          .state_bytes = always<32>,
          .constants = constants,
          .extents = extents};
}

}  // namespace tessera::codelets
