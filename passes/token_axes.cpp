// SPDX-License-Identifier: Apache-2.0
#include "passes/token_axes.h"

#include "passes/long_axes.h"
#include "passes/match.h"
#include "passes/token_site.h"

namespace tessera {
namespace {

Expected<TokenAxes> axes_of(const TokenSite& at) {
  switch (at.node.op) {
#define OP(id, text, min, max, elements, ...) \
  case Op::id: return token_rules::elements(at);
#include "ir/ops.def"
#undef OP
  }
  return at.refuse("is unknown to packing");
}

}  // namespace

bool takes_first_token(const Node* node, const TokenAxes& operand) {
  if (operand.kind != TokenAxes::Kind::Token || operand.sequence < 0) return false;
  if (node->is(Op::Gather))
    return node->int_attr("axis") == operand.sequence && splat(node->in[1]) == 0.0 &&
           elements(node->in[1]->type.shape) == 1;
  if (!node->is(Op::Slice)) return false;
  const int64_t batch = operand.batch, sequence = operand.sequence;
  const auto &start = node->ints("start"), &step = node->ints("step"), &size = node->ints("size");
  const bool all_rows =
      start[batch] == 0 && step[batch] == 1 && size[batch] == node->in[0]->type.shape[batch];
  return all_rows && start[sequence] == 0 && size[sequence] == 1;
}

Expected<TokenAxesMap> find_token_axes(const Graph& graph, const TokenShape& shape,
                                       std::vector<PlacedOperand>* placed) {
  TokenAxesMap known;
  CellRangeMap added;
  for (const auto& node : graph.nodes()) {
    std::vector<PlacedOperand> here;
    const bool may_be_placed = placed && shape.layout == Layout::Packed;
    const TokenSite site{*node, known, added, shape, may_be_placed ? &here : nullptr};
    TokenAxes axes = TRY(axes_of(site));
    for (PlacedOperand& operand : here) {
      operand.user = node.get();
      placed->push_back(operand);
    }
    TRY(check_long_axes(site));
    added[node.get()] =
        shape.layout == Layout::Padded ? range_of_added(*node, axes, added) : CellRange{};
    known[node.get()] = std::move(axes);
  }
  for (const Output& output : graph.outputs)
    TRY(check_long_output(output, known.at(output.node), shape));
  return known;
}

}  // namespace tessera
