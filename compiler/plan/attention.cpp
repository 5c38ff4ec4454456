// SPDX-License-Identifier: Apache-2.0
#include "compiler/plan/attention.h"

#include <algorithm>

#include "compiler/plan/grid.h"
#include "compiler/plan/vertex_cost.h"

namespace tessera {
namespace {

int64_t bytes_of(const OperandShape& operand) {
  return elements(operand.size) * size_of(operand.dtype);
}

// The part of a mask that a vertex reads: a mask's first dimension is the batch, and a dimension
// as long as the heads or the queries is cut with them only in the four-dimensional form.
OperandShape mask_part(OperandShape mask, const AttentionPlan& plan) {
  mask.size[0] = std::min(mask.size[0], plan.batch);
  if (mask.size.size() == 4) {
    mask.size[1] = std::min(mask.size[1], plan.heads);
    mask.size[2] = std::min(mask.size[2], plan.queries);
  }
  return mask;
}

class AttentionPlanner {
 public:
  AttentionPlanner(const AttentionShape& shape, const Target& target, int64_t working_bytes,
                   const Deadline* deadline)
      : shape_(shape), target_(target), working_bytes_(working_bytes), deadline_(deadline) {}

  AttentionPlan best() {
    for (int64_t batch : block_sizes(shape_.batch, target_.tiles)) {
      const int64_t batches = ceil_div(shape_.batch, batch);
      for (int64_t heads : dividing_block_sizes(shape_.heads, target_.tiles / batches)) {
        if (best_.cycles != 0 && deadline_ && deadline_->passed()) return best_;
        const int64_t left = target_.tiles / (batches * (shape_.heads / heads));
        for (int64_t queries : block_sizes(shape_.queries, left)) {
          consider({batch, queries, heads});
        }
      }
    }
    return best_;
  }

 private:
  void consider(AttentionPlan plan) {
    const Shape rows{plan.batch, plan.queries, plan.heads, shape_.depth};
    const Shape keys{plan.batch, shape_.keys, plan.heads, shape_.depth};
    std::vector<OperandShape> operands{
        {shape_.dtype, rows, false},
        {shape_.dtype, keys, false},
        {shape_.dtype, keys, false}
    };
    for (const OperandShape& mask : shape_.masks) operands.push_back(mask_part(mask, plan));
    int64_t received = 0;
    for (const OperandShape& operand : operands) received += bytes_of(operand);
    operands.push_back({shape_.dtype, rows, true});
    if (working_bytes(plan, operands) > working_bytes_) return;
    plan.cycles = step_cycles(target_) + receive_cycles(received, target_) +
                  vertex_cycles("attention", shape_.params, std::move(operands), target_);
    if (best_.cycles == 0 || plan.cycles < best_.cycles) best_ = plan;
  }

  // As poplin and popnn plan each for itself: the product of queries and keys, the softmax, which
  // has its scores twice, and the product with the values.
  int64_t working_bytes(const AttentionPlan& plan,
                        const std::vector<OperandShape>& operands) const {
    const int64_t scores =
        plan.batch * plan.heads * plan.queries * shape_.keys * size_of(shape_.dtype);
    const int64_t q = bytes_of(operands[0]), keys = bytes_of(operands[1]);
    return std::max(q + keys + scores, 2 * scores);  // values and result are as keys and queries
  }

  const AttentionShape& shape_;
  const Target& target_;
  int64_t working_bytes_;
  const Deadline* deadline_;
  AttentionPlan best_;
};

}  // namespace

AttentionPlan plan_attention(const AttentionShape& shape, const Target& target,
                             int64_t working_bytes, const Deadline* deadline) {
  for (;; working_bytes *= 2) {
    const AttentionPlan plan = AttentionPlanner(shape, target, working_bytes, deadline).best();
    if (plan.cycles != 0) return plan;
  }
}

}  // namespace tessera
