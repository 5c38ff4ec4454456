// SPDX-License-Identifier: Apache-2.0
#include "passes/packed_masks.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/attention_mask.h"
#include "passes/counted_places.h"
#include "passes/key_mask.h"
#include "passes/match.h"
#include "passes/seen_tokens.h"

namespace tessera {
namespace {

constexpr int64_t kMostBiasElements = int64_t{1} << 26;  // of all values that a bias is made of

// A bias where every token of every row is there.
struct Settled {
  Array values;            // [1,heads or 1,queries or 1,keys or 1]
  bool of_mask = false;    // made of the mask input
  bool is_nothing = true;  // 0 everywhere
};

class Settling {
 public:
  Settling(Graph& graph, Node* mask) : graph_(graph), mask_(mask) {}

  Status settle(Node* attention, const AttentionMask& said);
  Status settle_keys(Node* attention);
  Status settle_counts();

 private:
  bool is_of_tokens(const Node* bias) const;
  Expected<const Settled*> settled(const Node* attention, const Node* bias);
  Expected<Settled> computed(const Node* attention, const Node* bias) const;

  Graph& graph_;
  Node* mask_;
  std::unordered_map<const Node*, Settled> known_;    // layers share their masks
  std::unordered_map<const Node*, bool> says_there_;  // of masks of keys, what the input says
};

// `by_numbers`: also through what tokens are looked up or multiplied to.
std::unordered_set<const Node*> all_behind(const Node* node, bool by_numbers = true) {
  std::unordered_set<const Node*> seen;
  std::vector<const Node*> open = {node};
  while (!open.empty()) {
    const Node* next = open.back();
    open.pop_back();
    if (!seen.insert(next).second) continue;
    if (by_numbers)
      open.insert(open.end(), next->in.begin(), next->in.end());
    else if (next->is(Op::Gather))
      open.push_back(next->in[0]);
    else if (!is_float_matmul(next))
      open.insert(open.end(), next->in.begin(), next->in.end());
  }
  return seen;
}

// One row stands for all if they are alike; and one head, if those are.
Status thin(const Node* attention, Array& values) {
  Shape& shape = values.type.shape;
  const int64_t row = elements(shape) / shape[0];
  for (int64_t i = row; i < std::ssize(values.data); ++i)
    if (!same_bits(values.data[i], values.data[i - row]))
      return Error{called(*attention) +
                   ": its bias is another for each row of the batch, must be the same for all to "
                   "be packed"};
  values.data.resize(row);
  shape[0] = 1;
  const int64_t head = row / shape[1];
  for (int64_t i = head; i < row; ++i)
    if (!same_bits(values.data[i], values.data[i - head])) return {};
  values.data.resize(head);
  shape[1] = 1;
  return {};
}

// The value of a batch whose mask is 1 everywhere, of all nodes behind it.
Expected<Array> where_all_are_there(const Graph& graph, const Node* mask, const Node* value,
                                    const std::unordered_set<const Node*>& behind) {
  std::unordered_map<const Node*, Array> values;
  for (const auto& node : graph.nodes()) {
    if (!behind.contains(node.get())) continue;
    if (node.get() == mask) {
      values[mask] = {mask->type,
                      std::vector<double>(static_cast<size_t>(elements(mask->type.shape)), 1)};
      continue;
    }
    std::vector<Array> in;
    for (const Node* operand : node->in) in.push_back(values.at(operand));
    Array& made = values[node.get()] = TRY(eval_as_machine(*node, std::move(in)));
    made.type = node->type;
    round_to_dtype(made);
  }
  return std::move(values.at(value));
}

Expected<Settled> Settling::computed(const Node* attention, const Node* bias) const {
  const std::unordered_set<const Node*> behind = all_behind(bias);
  Settled result;
  int64_t count = 0;
  for (const Node* node : behind) {
    count += elements(node->type.shape);
    if (!node->is(Op::Input)) continue;
    if (node != mask_)
      return Error{called(*attention) + ": its mask is made of input '" + node->name + "' " +
                   to_string(node->type) +
                   ", must be made of the model's attention_mask [batch,sequence] and constants "
                   "to be packed"};
    result.of_mask = true;
  }
  if (count > kMostBiasElements)
    return Error{called(*attention) + ": its mask is made of " + std::to_string(count) +
                 " elements, must be made of at most " + std::to_string(kMostBiasElements) +
                 " to be packed"};
  result.values = TRY(where_all_are_there(graph_, mask_, bias, behind));
  TRY(thin(attention, result.values));
  if (const Status seen = check_own_keys(attention, result.values, kMaxElements); !seen.ok())
    return Error{seen.error().message + " to be packed"};
  result.is_nothing =
      std::ranges::all_of(result.values.data, [](double added) { return added == 0; });
  return result;
}

Expected<const Settled*> Settling::settled(const Node* attention, const Node* bias) {
  const auto found = known_.find(bias);
  if (found != known_.end()) return &found->second;
  return &(known_[bias] = TRY(computed(attention, bias)));
}

// Whether numbers of tokens are part of it, and no input but the mask says who is hidden.
bool Settling::is_of_tokens(const Node* bias) const {
  const auto is_other = [&](const Node* node) { return node->is(Op::Input) && node != mask_; };
  return std::ranges::none_of(all_behind(bias, /*by_numbers=*/false), is_other) &&
         std::ranges::any_of(all_behind(bias), is_other);
}

Status Settling::settle(Node* attention, const AttentionMask& said) {
  if (is_of_tokens(attention->in[said.bias_operand()])) return {};  // computed by request
  const Settled& bias = *TRY(settled(attention, attention->in[said.bias_operand()]));
  std::vector<Node*> in(attention->in.begin(), attention->in.begin() + 3);
  std::string kind = "none";
  if (bias.of_mask) {
    if (in[1]->type.shape[1] != mask_->type.shape[1])
      return Error{called(*attention) + ": has " + std::to_string(in[1]->type.shape[1]) +
                   " keys a row, and its mask " + to_string(mask_->type) +
                   " speaks of others, must be of the row's tokens to be packed"};
    kind = "keys";
    in.push_back(mask_);
  }
  if (!bias.is_nothing) {
    kind = kind == "none" ? "bias" : kind + "+bias";
    in.push_back(graph_.add_constant(attention->name + "/bias", to_tensor(bias.values), attention));
  }
  std::map<std::string, Attr> attrs = attention->attrs;
  attrs["mask"] = kind;
  graph_.replace_uses(attention, put(graph_, attention, attention, Op::Attention, in, attrs));
  return {};
}

// A mask of keys that is made of the mask input alone, and shows every key of a request that is
// alone, says in a packed batch what the input says: lengths that are counted from it do.
Status Settling::settle_keys(Node* attention) {
  Node* keys = attention->in[3];
  if (!mask_ || keys->is(Op::Input)) return {};
  const auto [found, is_new] = says_there_.try_emplace(keys, false);
  if (is_new) {
    const std::unordered_set<const Node*> behind = all_behind(keys);
    int64_t count = 0;
    bool of_mask_alone = behind.contains(mask_);
    for (const Node* node : behind) {
      count += elements(node->type.shape);
      of_mask_alone = of_mask_alone && (!node->is(Op::Input) || node == mask_);
    }
    if (of_mask_alone && count <= kMostBiasElements) {
      found->second = true;
      for (const double seen : TRY(where_all_are_there(graph_, mask_, keys, behind)).data)
        if (seen == 0)
          return Error{called(*attention) +
                       ": its mask hides tokens of a request that has no padding, must show all to "
                       "be packed"};
    }
  }
  if (found->second) graph_.set_operand(attention, 3, mask_);
  return {};
}

// Places below the number of a row's tokens: in a packed batch, the cells that hold any request's.
Status Settling::settle_counts() {
  if (!mask_) return {};
  std::vector<Node*> all;
  for (const auto& node : graph_.nodes())
    if (axis_of_counted_places(*node) == 1 && node->type.shape == mask_->type.shape)
      all.push_back(node.get());
  for (Node* node : all) {
    const std::unordered_set<const Node*> behind = all_behind(node);
    const bool of_mask_alone = std::ranges::all_of(
        behind, [&](const Node* in) { return !in->is(Op::Input) || in == mask_; });
    if (!of_mask_alone) continue;
    const Array there = TRY(where_all_are_there(graph_, mask_, node, behind));
    if (std::ranges::count(there.data, 0.0) != 0) continue;
    Node* none = put_splat(graph_, node, DType::I32, 0, mask_->type.shape);
    graph_.replace_uses(node, put(graph_, node, node, Op::Less, {none, mask_}));
  }
  return {};
}

}  // namespace

Status settle_packed_masks(Graph& graph, Node* mask) {
  std::vector<Node*> attentions;
  for (const auto& node : graph.nodes())
    if (node->is(Op::Attention)) attentions.push_back(node.get());
  Settling settling(graph, mask);
  TRY(settling.settle_counts());
  for (Node* attention : attentions) {
    const AttentionMask said = *attention_mask(attention->string_attr("mask"));
    if (said.kind == "keys") TRY(settling.settle_keys(attention));
    if (said.bias && !said.has_keys()) TRY(settling.settle(attention, said));
  }
  graph.remove_dead();
  return {};
}

Node* put_bias_of_request(Graph& graph, const Node* before, Node* bias, int64_t length) {
  const Array whole = to_array(bias->value);
  const Shape& from = whole.type.shape;
  Array cut{whole.type, {}};
  for (size_t d : {2, 3}) cut.type.shape[d] = std::min(from[d], length);
  const Shape strides = row_major_strides(from);
  for (int64_t head = 0; head < from[1]; ++head)
    for (int64_t query = 0; query < cut.type.shape[2]; ++query) {
      const auto row = whole.data.begin() + head * strides[1] + query * strides[2];
      cut.data.insert(cut.data.end(), row, row + cut.type.shape[3]);
    }
  return graph.add_constant(bias->name + "/request", to_tensor(cut), before);
}

}  // namespace tessera
