// SPDX-License-Identifier: Apache-2.0
// How to cut a matmul over the tiles: by batch, rows, columns, or along the sum (whose parts then
// need adding up); and, where a tile does not hold that, over time.
// Every cut of the output spares compute and costs exchange, because each tile receives all of the
// operands' parts that it works on; the plan is the cheapest of all cuts by the codelets' own
// formulas (as Poplar's poplin plans, but exhaustively: the space is small).
#pragma once

#include <compare>
#include <vector>

#include "program/target.h"
#include "support/limits.h"
#include "support/type.h"

namespace tessera {

struct MatmulShape {
  int64_t g = 1, m = 1, k = 1, n = 1;
  bool shared_b = true;  // one b for all g
  DType dtype = DType::F32;
  DType partials = DType::F32;  // of the parts of a sum cut along k
  bool bias = false, residual = false;
  int activation = 0;
  // Operands are bytes: stored and received as such, multiplied as `dtype`, f16, sums in f32; the
  // terms are not cut.
  bool integer = false;
  bool fp8 = false;       // a and b; `dtype` is f16
  int64_t sum_block = 0;  // k is cut so; 0: as is cheapest
  bool in_turns = false;  // with a sum_block: its parts are added up in turn, as Serial::Terms
  auto operator<=>(const MatmulShape&) const = default;
};

// The dimension that is done in turn where a tile does not hold all at once: some of the rows after
// others, or some of the terms of every sum.
enum class Serial : uint8_t { Rows, Terms };

// Block sizes; where k is cut in space, g is not, and the parts are summed in a second superstep.
// `serial` parts of `along` are done one after the other, each over all tiles. Parts of the rows
// are poplin's serial split of output channels, with operands swapped, as it plans products first:
// the weights are received once and kept. (Parts of the columns keep the rows. They would receive
// as much, and end in a copy.) Parts of the terms are its split of input channels: each is added to
// the sum so far, where that lies.
struct MatmulPlan {
  int64_t g = 1, m = 1, k = 1, n = 1;
  int64_t serial = 1;
  Serial along = Serial::Rows;
  int64_t bytes = 0;  // of a vertex's operands and result
  uint64_t cycles = 0;
};

// Operands and result of a vertex should take at most `working_bytes`. Where the cheapest cut takes
// more, all serial splits are priced beside the smaller cuts. As in Poplar it is a wish: where
// nothing meets it, the plan is about the smallest that there is.
MatmulPlan plan_matmul(const MatmulShape& shape, const Target& target, int64_t working_bytes,
                       const Deadline* deadline = nullptr);

// The cuts that the planner chooses from, for people who ask why.
struct MatmulPlans {
  int64_t considered = 0;
  std::vector<MatmulPlan> cheapest;  // fewest cycles first
};
// Plans of any size that do all at once, and those that are split as `chosen` is.
MatmulPlans matmul_plans(const MatmulShape& shape, const Target& target, const MatmulPlan& chosen);

}  // namespace tessera
