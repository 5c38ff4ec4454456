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
constexpr int64_t kMostKParts = 64;  // more parts than that only make exchange
constexpr int64_t kTypicalRows = 512;
constexpr int64_t kSerialSplits[] = {1, 2, 3, 4, 6, 8, 12, 16};  // as poplin's search

class Planner {
 public:
  Planner(const MatmulShape& shape, const Target& target, std::vector<int64_t> k_blocks,
          int64_t working_bytes, const Deadline* deadline)
      : shape_(shape),
        target_(target),
        k_blocks_(std::move(k_blocks)),
        working_bytes_(working_bytes),
        deadline_(deadline),
        params_(epilogue_params(shape.bias, shape.residual, shape.activation)),
        bare_params_(epilogue_params(false, false, 0)) {}

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

  void consider(MatmulPlan plan) {
    const int64_t size = shape_.integer ? 1 : size_of(shape_.dtype);
    const int64_t a = plan.g * plan.m * plan.k * size;
    const int64_t b = (shape_.shared_b ? 1 : plan.g) * plan.k * plan.n * size;
    const int64_t out = plan.g * plan.m * plan.n;
    const bool as_partials = cut_k(plan) || shape_.integer;
    const int64_t out_bytes = out * size_of(as_partials ? shape_.partials : shape_.dtype);
    const int64_t extra = shape_.residual && !cut_k(plan) ? out * size : 0;
    plan.bytes = a + b + out_bytes + extra;
    if (least_bytes_ == 0 || plan.bytes < least_bytes_) least_bytes_ = plan.bytes;
    if (plan.bytes > working_bytes_) return;
    plan.cycles = step_cycles(target_) +
                  receive_cycles(a + b + extra, target_, shared_bytes(plan, a, b)) + reduce_cycles_;
    const auto most_macs = static_cast<uint64_t>(
        shape_.dtype == DType::F32 ? target_.macs_f32 : target_.macs_f16_partials_f16);
    const uint64_t least = static_cast<uint64_t>(out * plan.k) / most_macs;
    if (!keeps_all_ && best_cycles_ != 0 && plan.cycles + least > slack(best_cycles_)) return;
    plan.cycles += compute_cycles(plan);
    if (best_cycles_ == 0 || plan.cycles < best_cycles_) best_cycles_ = plan.cycles;
    if (keeps_all_ || plan.cycles <= slack(best_cycles_)) found_.push_back(plan);
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
        {shape_.dtype, {plan.g, plan.m, plan.k},   false},
        {shape_.dtype, {b_groups, plan.k, plan.n}, false},
    };
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
  const Target& target_;
  std::vector<int64_t> k_blocks_;
  int64_t working_bytes_;
  const Deadline* deadline_;
  std::vector<Param> params_, bare_params_;
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
      block_sizes(shape.k, std::min(target.tiles, kMostKParts), kGrain);
  if (shape.dtype != DType::F32) return all;
  MatmulShape typical = shape;
  typical.m = kTypicalRows;
  return {Planner(typical, target, all, INT64_MAX, deadline).best()->k};
}

MatmulShape part_of(MatmulShape shape, int64_t serial) {
  shape.m /= serial;
  return shape;
}

MatmulPlan in_turn(MatmulPlan plan, int64_t serial) {
  plan.serial = serial;
  plan.cycles *= static_cast<uint64_t>(serial);
  return plan;
}

}  // namespace

MatmulPlan plan_matmul(const MatmulShape& shape, const Target& target, int64_t working_bytes,
                       const Deadline* deadline) {
  const std::vector<int64_t> blocks = k_blocks(shape, target, deadline);
  int64_t least = INT64_MAX, serial = 1;
  for (const int64_t parts : kSerialSplits) {
    if (parts > 1 && (!shape.shared_b || shape.m % parts != 0)) continue;
    const MatmulShape part = part_of(shape, parts);
    Planner planner(part, target, blocks, working_bytes, deadline);
    if (const auto plan = planner.best()) return in_turn(*plan, parts);
    if (planner.least_bytes() < least) {
      least = planner.least_bytes();
      serial = parts;
    }
  }
  // A tenth above the least there is, for a plan that is not slow for the sake of a few bytes.
  const MatmulShape part = part_of(shape, serial);
  return in_turn(*Planner(part, target, blocks, least + least / 10, deadline).best(), serial);
}

MatmulPlans matmul_plans(const MatmulShape& shape, const Target& target, int64_t serial) {
  const std::vector<int64_t> blocks = k_blocks(shape, target, nullptr);
  MatmulPlans plans;
  for (const int64_t parts : {int64_t{1}, serial}) {
    if (parts == 1 && !plans.cheapest.empty()) continue;
    const MatmulShape part = part_of(shape, parts);
    for (const MatmulPlan& plan : Planner(part, target, blocks, INT64_MAX, nullptr).all())
      plans.cheapest.push_back(in_turn(plan, parts));
  }
  plans.considered = std::ssize(plans.cheapest);
  std::ranges::stable_sort(plans.cheapest, {}, &MatmulPlan::cycles);
  return plans;
}

}  // namespace tessera
