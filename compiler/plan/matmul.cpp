// SPDX-License-Identifier: Apache-2.0
#include "compiler/plan/matmul.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "compiler/plan/grid.h"
#include "compiler/plan/vertex_cost.h"

namespace tessera {

namespace {

constexpr int64_t kGrain = 16;       // of the tile's matrix unit: inputs and outputs go in sixteens
constexpr int64_t kFp8Terms = 32;    // inputs of fp8 in twice as many
constexpr int64_t kMostKParts = 64;  // more parts than that only make exchange
constexpr int64_t kTypicalRows = 512;
constexpr int64_t kSerialSplits[] = {2, 3, 4, 6, 8, 12, 16};  // as poplin's search

int64_t grain_of_terms(const MatmulShape& shape) { return shape.fp8 ? kFp8Terms : kGrain; }

struct Turns {
  int64_t count = 1;
  Serial along = Serial::Rows;
};

class MatmulPlanner {
 public:
  // `shape` is that of one turn.
  MatmulPlanner(const MatmulShape& shape, Turns turns, const Target& target,
                std::vector<int64_t> k_blocks, int64_t working_bytes, const Deadline* deadline)
      : shape_(shape),
        turns_(turns),
        target_(target),
        k_blocks_(std::move(k_blocks)),
        working_bytes_(working_bytes),
        deadline_(deadline),
        params_(epilogue_params(shape.bias, shape.residual, shape.activation)),
        bare_params_(epilogue_params(false, false, 0)),
        adding_params_(epilogue_params(false, true, 0)) {}

  // None where no cut meets the limit; least_bytes() is then the limit that one does.
  std::optional<MatmulPlan> best() {
    const int64_t tiles = target_.tiles;
    for (int64_t k : k_blocks_) {
      const int64_t k_parts = ceil_div(shape_.k, k);
      reduce_cycles_ = k_parts > 1 ? reduce_cycles(k_parts) : 0;
      for (int64_t n : block_sizes(shape_.n, tiles / k_parts, kGrain)) {
        if (!found_.empty() && deadline_ && deadline_->passed()) return preferred();
        const int64_t parts = k_parts * ceil_div(shape_.n, n);
        if (parts > tiles) continue;
        for (int64_t g : block_sizes(shape_.g, tiles / parts)) {
          const int64_t left = tiles / (parts * ceil_div(shape_.g, g));
          if (left == 0) continue;
          for (int64_t m : block_sizes(shape_.m, left)) consider({g, m, k, n});
        }
      }
    }
    if (found_.empty()) return std::nullopt;
    return preferred();
  }
  int64_t least_bytes() const { return least_bytes_; }
  // All plans with what they cost, also those that best() would not look at for long.
  std::vector<MatmulPlan> all() {
    keeps_all_ = true;
    best();
    return std::move(found_);
  }

 private:
  bool cut_k(const MatmulPlan& plan) const { return plan.k < shape_.k; }

  uint64_t reduce_cycles(int64_t k_parts) const {
    const int64_t extra = shape_.residual ? ceil_div(shape_.m * shape_.n, target_.tiles) : 0;
    return receive_cycles(extra * size_of(shape_.dtype), target_) +
           reduce_partials_cycles(k_parts, shape_.m * shape_.n, shape_.partials, shape_.dtype,
                                  target_);
  }

  bool in_terms() const { return turns_.along == Serial::Terms && turns_.count > 1; }
  // Through all turns, while partials are received and added up too.
  bool keeps_b() const { return turns_.along == Serial::Rows && turns_.count > 1; }
  // Does the product leave parts, of which another superstep makes the result?
  bool leaves_parts(const MatmulPlan& plan) const { return cut_k(plan) || in_terms(); }

  // The part of each operand and of the result that a vertex holds.
  struct Held {
    int64_t a, b, out, extra;
  };
  Held held(const MatmulPlan& plan) const {
    const int64_t size = shape_.integer || shape_.fp8 ? 1 : size_of(shape_.dtype);
    const int64_t out = plan.g * plan.m * plan.n;
    const bool parts = leaves_parts(plan);
    return {
        .a = plan.g * plan.m * plan.k * size,
        .b = (shape_.shared_b ? 1 : plan.g) * plan.k * plan.n * size,
        .out = out * size_of(parts || shape_.integer ? shape_.partials : shape_.dtype),
        .extra = !shape_.residual || parts ? 0 : out * (shape_.fp8 ? size_of(shape_.dtype) : size)};
  }

  // All turns. Those of rows receive b in the first one only.
  uint64_t received(const MatmulPlan& plan, const Held& is) const {
    const auto later = static_cast<uint64_t>(turns_.count - 1);
    const uint64_t all =
        receive_cycles(is.a + is.b + is.extra, target_, shared_bytes(plan, is.a, is.b));
    if (in_terms()) return all * (later + 1);
    return all + later * receive_cycles(is.a + is.extra, target_, shared_bytes(plan, is.a, 0));
  }

  void consider(MatmulPlan plan) {
    const Held is = held(plan);
    plan.bytes = is.a + is.b + is.out + is.extra;
    if (keeps_b() && cut_k(plan)) plan.bytes = std::max(plan.bytes, is.b + 2 * is.out);
    if (least_bytes_ == 0 || plan.bytes < least_bytes_) least_bytes_ = plan.bytes;
    if (plan.bytes > working_bytes_) return;
    const auto turns = static_cast<uint64_t>(turns_.count);
    plan.serial = turns_.count;
    plan.along = turns_.along;
    plan.cycles = turns * (step_cycles(target_) + reduce_cycles_) + received(plan, is);
    const uint64_t least =
        turns * static_cast<uint64_t>(plan.g * plan.m * plan.n * plan.k) / most_macs();
    if (!keeps_all_ && best_cycles_ != 0 && plan.cycles + least > slack(best_cycles_)) return;
    plan.cycles += turns * compute_cycles(plan);
    if (in_terms()) plan.cycles += last_cycles(plan);
    if (best_cycles_ == 0 || plan.cycles < best_cycles_) best_cycles_ = plan.cycles;
    if (keeps_all_ || plan.cycles <= slack(best_cycles_)) found_.push_back(plan);
  }

  uint64_t most_macs() const {
    if (shape_.fp8) return static_cast<uint64_t>(target_.macs_fp8());
    return static_cast<uint64_t>(shape_.dtype == DType::F32 ? target_.macs_f32
                                                            : target_.macs_f16_partials_f16);
  }
  // Poplar's formulas know one fp8.
  DType multiplied() const { return shape_.fp8 ? DType::F143 : shape_.dtype; }

  // Cycles of the superstep that makes the result of a sum that was added up where it lies.
  uint64_t last_cycles(const MatmulPlan& plan) const {
    const Shape block{1, plan.m, plan.n};
    std::vector<OperandShape> operands{
        {shape_.partials, block, false}
    };
    if (shape_.bias) operands.push_back({shape_.dtype, {plan.n}, false});
    if (shape_.residual) operands.push_back({shape_.dtype, block, false});
    operands.push_back({shape_.dtype, block, true});
    const int64_t extra = shape_.residual ? plan.m * plan.n * size_of(shape_.dtype) : 0;
    return step_cycles(target_) + receive_cycles(extra, target_) +
           vertex_cycles("reduce_partials", params_, std::move(operands), target_);
  }

  // Vertices lie on tiles with their columns innermost, then their rows: neighbours on a bus read
  // the same rows of a, or, where columns are not cut, the same b.
  int64_t shared_bytes(const MatmulPlan& plan, int64_t a, int64_t b) const {
    const int64_t bus = target_.tiles_per_exchange_bus;
    const int64_t n_parts = ceil_div(shape_.n, plan.n), m_parts = ceil_div(shape_.m, plan.m);
    if (n_parts > 1) return n_parts % bus == 0 ? a : 0;
    return m_parts > 1 && m_parts % bus == 0 ? b : 0;
  }

  uint64_t compute_cycles(const MatmulPlan& plan) const {
    const int64_t b_groups = shape_.shared_b ? 1 : plan.g;
    std::vector<OperandShape> operands{
        {multiplied(), {plan.g, plan.m, plan.k},   false},
        {multiplied(), {b_groups, plan.k, plan.n}, false},
    };
    if (in_terms()) {
      const Shape out{plan.g, plan.m, plan.n};
      operands.push_back({shape_.partials, out, false});
      operands.push_back({shape_.partials, out, true});
      return vertex_cycles("matmul", adding_params_, std::move(operands), target_);
    }
    if (cut_k(plan)) {
      operands.push_back({
          shape_.partials, {plan.g, plan.m, plan.n},
           true
      });
      return vertex_cycles("matmul", bare_params_, std::move(operands), target_);
    }
    if (shape_.bias) operands.push_back({shape_.dtype, {plan.n}, false});
    if (shape_.residual)
      operands.push_back({
          shape_.dtype, {plan.g, plan.m, plan.n},
           false
      });
    operands.push_back({
        shape_.integer ? shape_.partials : shape_.dtype, {plan.g, plan.m, plan.n},
             true
    });
    return vertex_cycles("matmul", params_, std::move(operands), target_);
  }

  // Within 3 % the host decides: fewer parts to add up, then more rows to a vertex.
  static uint64_t slack(uint64_t cycles) { return cycles + cycles * 3 / 100; }

  MatmulPlan preferred() const {
    MatmulPlan chosen;
    for (const MatmulPlan& plan : found_) {
      if (plan.cycles > slack(best_cycles_)) continue;
      const auto rank = [](const MatmulPlan& p) { return std::pair(p.k, p.m); };
      const bool better = chosen.cycles == 0 || rank(plan) > rank(chosen) ||
                          (rank(plan) == rank(chosen) && plan.cycles < chosen.cycles);
      if (better) chosen = plan;
    }
    return chosen;
  }

  const MatmulShape& shape_;
  Turns turns_;
  const Target& target_;
  std::vector<int64_t> k_blocks_;
  int64_t working_bytes_;
  const Deadline* deadline_;
  std::vector<Param> params_, bare_params_, adding_params_;
  uint64_t reduce_cycles_ = 0, best_cycles_ = 0;
  int64_t least_bytes_ = 0;
  bool keeps_all_ = false;
  std::vector<MatmulPlan> found_;
};

// Floats are added in an order that does not depend on how many rows there are: in f32 a row has
// the same bits in any batch, packed or padded. So its sums are cut as for a typical number of
// rows.
std::vector<int64_t> k_blocks(const MatmulShape& shape, const Target& target,
                              const Deadline* deadline) {
  if (!shape.shared_b || shape.integer) return {shape.k};
  if (shape.sum_block > 0) return {shape.sum_block};
  const std::vector<int64_t> all =
      block_sizes(shape.k, std::min(target.tiles, kMostKParts), grain_of_terms(shape));
  if (shape.dtype != DType::F32) return all;
  MatmulShape typical = shape;
  typical.m = kTypicalRows;
  return {MatmulPlanner(typical, {}, target, all, INT64_MAX, deadline).best()->k};
}

// The search for the plan of one matmul, whole or in turns.
class MatmulSearch {
 public:
  MatmulSearch(const MatmulShape& shape, const Target& target, const Deadline* deadline)
      : shape_(shape),
        target_(target),
        deadline_(deadline),
        blocks_(k_blocks(shape, target, deadline)) {}

  bool divides(Turns turns) const {
    if (turns.count == 1) return true;
    if (!shape_.shared_b) return false;
    if (turns.along == Serial::Rows) return shape_.m % turns.count == 0;
    if (shape_.integer) return false;  // integers are not added up in turns
    const int64_t terms = shape_.k / turns.count;
    if (shape_.k % turns.count != 0 || terms % grain_of_terms(shape_) != 0) return false;
    // Floats are added in the one order that the cut of their sum gives.
    const bool is_any = shape_.dtype != DType::F32 && shape_.sum_block == 0;
    return is_any || (shape_.dtype == DType::F32 && terms == blocks_.front());
  }

  std::optional<MatmulPlan> best(Turns turns, int64_t working_bytes) {
    const MatmulShape part = part_of(turns);
    MatmulPlanner planner(part, turns, target_, blocks_of(turns), working_bytes, deadline_);
    std::optional<MatmulPlan> plan = planner.best();
    if (planner.least_bytes() < least_bytes_) {
      least_bytes_ = planner.least_bytes();
      least_ = turns;
    }
    return plan;
  }
  std::vector<MatmulPlan> all(Turns turns) const {
    const MatmulShape part = part_of(turns);
    return MatmulPlanner(part, turns, target_, blocks_of(turns), INT64_MAX, deadline_).all();
  }
  // A tenth above the least there is, for a plan that is not slow for the sake of a few bytes.
  MatmulPlan smallest() { return *best(least_, least_bytes_ + least_bytes_ / 10); }

 private:
  MatmulShape part_of(Turns turns) const {
    MatmulShape part = shape_;
    (turns.along == Serial::Rows ? part.m : part.k) /= turns.count;
    return part;
  }
  std::vector<int64_t> blocks_of(Turns turns) const {
    const bool terms = turns.along == Serial::Terms && turns.count > 1;
    return terms ? std::vector<int64_t>{shape_.k / turns.count} : blocks_;
  }

  const MatmulShape& shape_;
  const Target& target_;
  const Deadline* deadline_;
  std::vector<int64_t> blocks_;
  int64_t least_bytes_ = INT64_MAX;
  Turns least_;
};

bool faster(const MatmulPlan& plan, const std::optional<MatmulPlan>& than) {
  return !than || plan.cycles < than->cycles;
}

}  // namespace

MatmulPlan plan_matmul(const MatmulShape& shape, const Target& target, int64_t working_bytes,
                       const Deadline* deadline) {
  MatmulSearch search(shape, target, deadline);
  if (shape.in_turns) {
    const std::optional<MatmulPlan> plan =
        search.best({shape.k / shape.sum_block, Serial::Terms}, working_bytes);
    return plan ? *plan : search.smallest();
  }
  std::optional<MatmulPlan> chosen = search.best({}, working_bytes);
  if (chosen && chosen->cycles <= search.best({}, INT64_MAX)->cycles) return *chosen;
  for (const int64_t count : kSerialSplits) {
    for (const Serial along : {Serial::Rows, Serial::Terms}) {
      const Turns turns{count, along};
      if (!search.divides(turns)) continue;
      if (chosen && deadline && deadline->passed()) return *chosen;
      const std::optional<MatmulPlan> plan = search.best(turns, working_bytes);
      if (plan && faster(*plan, chosen)) chosen = plan;
    }
  }
  return chosen ? *chosen : search.smallest();
}

MatmulPlans matmul_plans(const MatmulShape& shape, const Target& target, const MatmulPlan& chosen) {
  const MatmulSearch search(shape, target, nullptr);
  MatmulPlans plans{.considered = 0, .cheapest = search.all({})};
  if (chosen.serial > 1)
    for (const MatmulPlan& plan : search.all({chosen.serial, chosen.along}))
      plans.cheapest.push_back(plan);
  plans.considered = std::ssize(plans.cheapest);
  std::ranges::stable_sort(plans.cheapest, {}, &MatmulPlan::cycles);
  return plans;
}

}  // namespace tessera
