// SPDX-License-Identifier: Apache-2.0
#include "compiler/plan/gather.h"

#include <algorithm>

#include "compiler/plan/grid.h"
#include "compiler/plan/vertex_cost.h"

namespace tessera {
namespace {

// At least eight bytes: what a tile moves in one cycle.
int64_t column_grain(DType dtype) { return std::max<int64_t>(4, 8 / size_of(dtype)); }

class GatherPlanner {
 public:
  GatherPlanner(const GatherShape& shape, const Target& target, int64_t working_bytes,
                int64_t relief, const Deadline* deadline)
      : shape_(shape),
        target_(target),
        working_bytes_(working_bytes),
        relief_(relief),
        deadline_(deadline) {
    if (!shape.checked) return;
    params_ = {
        {"rows",  {static_cast<double>(shape.v)}},
        {"cells", {0}                           },
        {"shape", {static_cast<double>(shape.t)}}
    };
  }

  GatherPlan best() {
    for (int64_t n : block_sizes(shape_.n, target_.tiles, column_grain(shape_.dtype))) {
      const int64_t n_parts = ceil_div(shape_.n, n);
      if (n_parts > target_.tiles) continue;
      for (int64_t p : block_sizes(shape_.p, target_.tiles / n_parts)) {
        if (best_.cycles != 0 && deadline_ && deadline_->passed()) return best_;
        const int64_t parts = n_parts * ceil_div(shape_.p, p);
        if (parts > target_.tiles) continue;
        // Partial answers are summed as floats are.
        const int64_t most_v = is_float(shape_.dtype) ? target_.tiles / parts : 1;
        for (int64_t v : block_sizes(shape_.v, most_v)) {
          const int64_t left = target_.tiles / (parts * ceil_div(shape_.v, v));
          if (left == 0) continue;
          consider({v, p, shape_.t, n});
          consider({v, p, ceil_div(shape_.t, left), n});
        }
      }
    }
    return best_;
  }

 private:
  void consider(GatherPlan plan) {
    const int64_t size = size_of(shape_.dtype);
    const int64_t table = plan.p * plan.v * plan.n * size;
    const int64_t out = plan.p * plan.t * plan.n * size;
    const bool stays = shape_.table_stays && plan.t == shape_.t;
    if ((stays ? 0 : table) + out + plan.t * size_of(DType::I32) > working_bytes_) return;
    // A table that stays is there for ever, so it must not crowd a few tiles.
    const int64_t share = ceil_div(shape_.p * shape_.v * shape_.n * size, target_.tiles);
    if (stays && table > (share + share / 16 + 2048) * relief_) return;
    plan.cycles = step_cycles(target_) +
                  receive_cycles(plan.t * size_of(DType::I32) + (stays ? 0 : table), target_) +
                  vertex_cycles("gather", params_,
                                {
                                    {shape_.dtype, {plan.p, plan.v, plan.n},    false},
                                    {DType::I32,   {plan.t},                    false},
                                    {shape_.dtype, {1, plan.p, plan.t, plan.n}, true }
    },
                                target_);
    if (const int64_t parts = ceil_div(shape_.v, plan.v); parts > 1) {
      plan.cycles += reduce_partials_cycles(parts, shape_.p * shape_.t * shape_.n, shape_.dtype,
                                            shape_.dtype, target_);
    }
    if (best_.cycles == 0 || plan.cycles < best_.cycles) best_ = plan;
  }

  const GatherShape& shape_;
  const Target& target_;
  int64_t working_bytes_, relief_;
  const Deadline* deadline_;
  std::vector<Param> params_;
  GatherPlan best_;
};

}  // namespace

GatherPlan plan_gather(const GatherShape& shape, const Target& target, int64_t working_bytes,
                       const Deadline* deadline) {
  for (int64_t relief = 1;; relief *= 2) {
    const GatherPlan plan =
        GatherPlanner(shape, target, working_bytes * relief, relief, deadline).best();
    if (plan.cycles != 0) return plan;
  }
}

}  // namespace tessera
