// SPDX-License-Identifier: Apache-2.0
#include "passes/fp32_sums.h"

#include <algorithm>

#include "passes/fp32_ops.h"
#include "passes/match.h"
#include "passes/matmul_range.h"

namespace tessera {

int64_t summed(const Node* node, const ValueRanges& ranges) {
  if (node->is(Op::CumSum)) return node->type.shape[static_cast<size_t>(node->int_attr("axis"))];
  if (node->is(Op::ReduceSum))
    return elements(node->in[0]->type.shape) / std::max<int64_t>(1, elements(node->type.shape));
  if (!node->is(Op::MatMul)) return 0;
  const int64_t inner = node->in[0]->type.shape.back();
  if (adds_squares(node)) return inner;
  for (const size_t i : {0, 1})
    if (const std::optional<Addends> addends = addends_of(*node, i))
      return addends->most > 1 || inner == 1 ? addends->most : 0;
  const auto is_constant = [](Node* in) { return behind_views(in)->is(Op::Constant); };
  if (std::ranges::any_of(node->in, is_constant)) return 0;
  const bool counts = ranges.at(node->in[0]).step != 0 || ranges.at(node->in[1]).step != 0;
  return counts && static_cast<double>(inner) > kFewActivations ? inner : 0;
}

bool adds_squares(const Node* node) {
  if (!node->is(Op::MatMul)) return squared_by(behind_factors(node->in[0])) != nullptr;
  const Node *a = node->in[0], *b = node->in[1];
  if (squared_by(behind_factors(a)) || squared_by(behind_factors(b))) return true;
  for (const Node** side : {&a, &b})
    for (int i = 0; i < kFarthest && is_view(*side); ++i) *side = (*side)->in[0];
  return a == b;
}

}  // namespace tessera
