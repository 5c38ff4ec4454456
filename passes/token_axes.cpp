// SPDX-License-Identifier: Apache-2.0
#include "passes/token_axes.h"

#include <algorithm>
#include <unordered_set>

#include "ir/attention_mask.h"
#include "passes/long_axes.h"
#include "passes/match.h"
#include "passes/token_site.h"

namespace tessera {
namespace {

// Numbers of tokens that share their axis are looked up, and nothing else; tokens between zeros are
// sliced.
bool takes_apart(const TokenSite& at) {
  if (at.node.is(Op::Reshape) || at.node.is(Op::Transpose)) return false;
  const bool looks_up =
      at.node.is(Op::Gather) &&
      (at.operand(0).inner == 1 || at.node.int_attr("axis") == at.operand(0).sequence);
  for (const Node* in : at.node.in) {
    const TokenAxes& axes = at.known.at(in);
    if (axes.inner != 1 && !looks_up) return true;
    if (axes.has_zeros_around() && !at.node.is(Op::Slice)) return true;
  }
  return false;
}

Expected<TokenAxes> axes_of(const TokenSite& at) {
  if (takes_apart(at)) return at.mixes("takes tokens apart");
  switch (at.node.op) {
#define OP(id, text, min, max, elements, ...) \
  case Op::id: return token_rules::elements(at);
#include "ir/ops.def"
#undef OP
  }
  return at.refuse("is unknown to packing");
}

}  // namespace

bool is_by_token(const TensorType& type, const Shape& batch) {
  const Shape& shape = type.shape;
  if (type.dtype != DType::I32 || shape.size() < 2) return false;
  return std::equal(batch.begin(), batch.end(), shape.begin(), shape.begin() + 2) &&
         std::find(shape.begin() + 2, shape.end(), batch[1]) == shape.end();
}

bool takes_first_token(const Node* node, const TokenAxes& operand) {
  if (operand.kind != TokenAxes::Kind::Token || operand.sequence < 0) return false;
  if (!operand.is_plain()) return false;
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

namespace {

// One walk over the graph, operands first.
class Walk {
 public:
  Walk(const TokenShape& shape, std::vector<PlacedOperand>* placed)
      : shape_(shape), unpacked_(shape), placed_(placed) {
    unpacked_.layout = Layout::Unpacked;
  }

  Status visit(Node* node);
  TokenAxesMap take();
  const TokenAxesMap& known() const { return known_; }

 private:
  Expected<TokenAxes> packed(Node* node);
  Expected<TokenAxes> by_request(const Node* node, const Error& why);

  const TokenShape& shape_;
  TokenShape unpacked_;
  std::vector<PlacedOperand>* placed_;
  TokenAxesMap known_;
  CellsMap cells_;
  // Why a value is right only where each row is one request.
  std::unordered_map<const Node*, Error> by_request_;
  // Values among these that have entries for each two tokens, or for each of a token's neighbours,
  // up to where they are packed again.
  std::unordered_set<const Node*> of_pairs_, of_neighbours_;
  std::unordered_set<const Node*> goes_back_;
};

// By the rules of the layout itself. Operands by place are noted if the node is followed.
Expected<TokenAxes> Walk::packed(Node* node) {
  std::vector<PlacedOperand> here;
  const bool may_be_placed = placed_ && shape_.layout == Layout::Packed;
  TokenAxes axes = TRY(axes_of({*node, known_, cells_, shape_, may_be_placed ? &here : nullptr}));
  for (PlacedOperand& operand : here) {
    operand.user = node;
    placed_->push_back(operand);
  }
  return axes;
}

// Attention is packed around, and takes packed tokens; but one whose bias tokens make is computed
// by request.
Expected<TokenAxes> Walk::by_request(const Node* node, const Error& why) {
  if (node->is(Op::Attention)) {
    const AttentionMask said = *attention_mask(node->string_attr("mask"));
    const Node* bias = said.bias ? node->in[said.bias_operand()] : nullptr;
    if (!bias || known_.at(bias).kind == TokenAxes::Kind::Free) return why;
  }
  TokenAxes axes = TRY(axes_of({*node, known_, cells_, unpacked_}));
  if (axes.kind == TokenAxes::Kind::Free) return axes;
  const bool of_pairs =
      axes.key >= 0 || node->is(Op::Attention) ||
      std::ranges::any_of(node->in, [&](const Node* in) { return of_pairs_.contains(in); });
  const bool moves = node->is(Op::Slice) || node->is(Op::Concat);
  const bool of_neighbours =
      axes.has_zeros_around() ||
      std::ranges::any_of(node->in, [&](const Node* in) { return of_neighbours_.contains(in); });
  const bool ends = of_pairs || (of_neighbours && !moves);
  if (ends && (axes.is_in_front() || axes.is_by_time())) {
    goes_back_.insert(node);
    return axes;
  }
  if (of_pairs) of_pairs_.insert(node);
  if (of_neighbours) of_neighbours_.insert(node);
  by_request_.emplace(node, why);
  return axes;
}

Status Walk::visit(Node* node) {
  const auto operand =
      std::ranges::find_if(node->in, [&](const Node* in) { return by_request_.contains(in); });
  TokenAxes axes;
  if (operand != node->in.end()) {
    axes = TRY(by_request(node, Error(by_request_.at(*operand))));
  } else if (Expected<TokenAxes> found = packed(node); found.ok()) {
    axes = found.take();
    if (shape_.layout == Layout::Packed && axes.kind == TokenAxes::Kind::Row)
      by_request_.emplace(
          node, Error{called(*node) + ": takes one token of each row, and attention behind it "
                                      "would mix tokens of requests that share a row; compile "
                                      "it without packing"});
  } else if (shape_.layout == Layout::Packed && !node->is(Op::Input)) {
    axes = TRY(by_request(node, found.error()));
  } else {
    return found.error();
  }
  const bool is_packed = shape_.layout == Layout::Packed;
  TRY(check_long_axes({*node, known_, cells_, shape_}));
  const TokenSite site{*node, known_, cells_, is_packed ? unpacked_ : shape_};
  cells_[node] = shape_.layout == Layout::Whole ? Cells{} : cells_of_result(site, axes);
  known_[node] = std::move(axes);
  return {};
}

TokenAxesMap Walk::take() {
  for (auto& [node, axes] : known_) {
    axes.by_request = by_request_.contains(node);
    axes.goes_back = goes_back_.contains(node);
    axes.may_be_0_behind = true;
    for (const size_t behind : {1, 3}) {
      const CellRange& added = cells_.at(node)[behind];
      axes.may_be_0_behind = axes.may_be_0_behind && added.low <= 0 && added.high >= 0;
    }
  }
  return std::move(known_);
}

}  // namespace

Expected<TokenAxesMap> find_token_axes(const Graph& graph, const TokenShape& shape,
                                       std::vector<PlacedOperand>* placed) {
  Walk walk(shape, placed);
  for (const auto& node : graph.nodes()) TRY(walk.visit(node.get()));
  for (const Output& output : graph.outputs)
    TRY(check_long_output(output, walk.known().at(output.node), shape));
  return walk.take();
}

}  // namespace tessera
