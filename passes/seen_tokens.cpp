// SPDX-License-Identifier: Apache-2.0
#include "passes/seen_tokens.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/attention_mask.h"
#include "passes/key_mask.h"
#include "passes/match.h"

namespace tessera {
namespace {

// Of all values that a mask is made of: a bias, which layers share, and the scores of one softmax.
constexpr int64_t kMostOfBias = int64_t{1} << 26, kMostOfScores = int64_t{1} << 22;
constexpr int64_t kMostNodesOfMasks = int64_t{1} << 20;

// What tokens are looked up or multiplied to: numbers of theirs, and no mask.
bool makes_numbers(const Node& node) {
  return is_float_matmul(&node) || node.is(Op::Attention) ||
         (node.is(Op::Gather) && !node.in[1]->is(Op::Constant));
}

// What a mask is made of: its nodes, in their order.
struct Made {
  std::vector<const Node*> nodes;
  bool of_ids = false;
  bool is_whole = false;  // else too much to look at
  bool may_hide = false;  // something of a batch whose tokens are all there
};

class Masks {
 public:
  Masks(const Graph& graph, const OrdinaryBatch& batch);

  Status check(const Node* node);

 private:
  Made made(const Node* value, int64_t most_elements);
  Expected<Array> value(const Made& of, double id) const;
  Status check_scores(const Node* node);
  template <class Check>
  Status check_values(const Node* user, const Made& of, const Check& check) const;

  const OrdinaryBatch& batch_;
  std::unordered_map<const Node*, size_t> place_;
  std::unordered_set<const Node*> checked_;  // layers share their masks
  int64_t nodes_left_ = kMostNodesOfMasks;
};

Masks::Masks(const Graph& graph, const OrdinaryBatch& batch) : batch_(batch) {
  for (const auto& node : graph.nodes()) place_.emplace(node.get(), place_.size());
}

Made Masks::made(const Node* value, int64_t most_elements) {
  Made result;
  std::unordered_set<const Node*> seen;
  std::vector<const Node*> open = {value};
  int64_t elements_left = most_elements;
  while (!open.empty() && nodes_left_ > 0) {
    const Node* next = open.back();
    open.pop_back();
    if (!seen.insert(next).second) continue;
    --nodes_left_;
    elements_left -= elements(next->type.shape);
    result.nodes.push_back(next);
    const bool is_of_places = next->is(Op::Constant) && next->value.has_data() && !splat(next);
    result.of_ids = result.of_ids || next == batch_.ids;
    result.may_hide = result.may_hide || next->is(Op::Input) || is_of_places;
    if (!makes_numbers(*next)) open.insert(open.end(), next->in.begin(), next->in.end());
  }
  result.is_whole = open.empty() && elements_left >= 0;
  std::ranges::sort(result.nodes, {}, [&](const Node* node) { return place_.at(node); });
  return result;
}

Expected<Array> Masks::value(const Made& of, double id) const {
  std::unordered_map<const Node*, Array> values;
  for (const Node* node : of.nodes) {
    const bool is_number = makes_numbers(*node);
    if (node->is(Op::Input) || is_number) {
      const double of_input = node == batch_.ids ? id : batch_.there;
      const auto count = static_cast<size_t>(elements(node->type.shape));
      values[node] = {node->type, std::vector<double>(count, is_number ? 0 : of_input)};
      continue;
    }
    std::vector<Array> in;
    for (const Node* operand : node->in) in.push_back(values.at(operand));
    Array& result = values[node] = TRY(eval_as_machine(*node, std::move(in)));
    result.type = node->type;
    round_to_dtype(result);
  }
  return std::move(values.at(of.nodes.back()));
}

// For a small id and a large one, which a mask of minima tells apart.
template <class Check>
Status Masks::check_values(const Node* user, const Made& of, const Check& check) const {
  if (!of.is_whole && of.of_ids)
    return Error{called(*user) + ": its mask is made of the ids by too many values to look at, " +
                 "must be made of fewer"};
  if (!of.is_whole || !of.may_hide) return {};
  for (const double id : {1.0, 1000.0}) {
    const Expected<Array> values = value(of, id);
    if (values.ok()) TRY(check(*values));
    if (!of.of_ids) break;
  }
  return {};
}

// Scores [..,queries,keys] show each query its own key, others the first token or, where ids are
// asked, all.
Status Masks::check_scores(const Node* node) {
  const bool is_softmax = node->is(Op::Softmax);
  const Shape& shape = node->in[0]->type.shape;
  const auto axis =
      static_cast<size_t>(is_softmax ? node->int_attr("axis") : node->ints("axes")[0]);
  const bool has_pairs = axis + 1 == shape.size() && axis > 0 && shape[axis - 1] == shape[axis];
  const Made scores = made(node->in[0], kMostOfScores);
  const Shape strides = row_major_strides(shape);
  return check_values(node, scores, [&](const Array& values) -> Status {
    for (int64_t i = 0; i < std::ssize(values.data); ++i) {
      const int64_t key = i / strides[axis] % shape[axis];
      const int64_t own = has_pairs ? i / strides[axis - 1] % shape[axis - 1] : 0;
      const bool must_be_seen = key == own || (!has_pairs && scores.of_ids);
      if (must_be_seen && hides(values.data[static_cast<size_t>(i)]))
        return Error{called(*node) + ": its mask hides token " + std::to_string(key) +
                     " of a request" + (has_pairs ? " from itself" : "") + ", must not"};
    }
    return {};
  });
}

Status Masks::check(const Node* node) {
  const bool is_maximum = node->is(Op::ReduceMax) && node->ints("axes").size() == 1;
  if (node->is(Op::Softmax) || is_maximum)
    return checked_.insert(node->in[0]).second ? check_scores(node) : Status();
  if (!node->is(Op::Attention)) return {};
  const AttentionMask said = *attention_mask(node->string_attr("mask"));
  if (said.bias && checked_.insert(node->in[said.bias_operand()]).second)
    TRY(check_values(node, made(node->in[said.bias_operand()], kMostOfBias),
                     [&](const Array& bias) { return check_own_keys(node, bias); }));
  if (!said.has_keys() || !checked_.insert(node->in[3]).second) return {};
  return check_values(node, made(node->in[3], kMostOfBias), [&](const Array& keys) -> Status {
    if (std::ranges::count(keys.data, 0.0) == 0) return {};
    return Error{called(*node) +
                 ": its mask hides tokens of a request that has no padding, must not"};
  });
}

}  // namespace

Status check_tokens_are_seen(const Graph& graph, const OrdinaryBatch& batch) {
  Masks masks(graph, batch);
  for (const auto& node : graph.nodes()) TRY(masks.check(node.get()));
  return {};
}

Status check_own_keys(const Node* attention, const Array& values) {
  const Shape& shape = values.type.shape;
  const Shape strides = row_major_strides(shape);
  for (int64_t head = 0; head < shape[1]; ++head)
    for (int64_t token = 0; token < std::max(shape[2], shape[3]); ++token) {
      const int64_t query = shape[2] == 1 ? 0 : token, key = shape[3] == 1 ? 0 : token;
      if (query >= shape[2] || key >= shape[3]) continue;
      const double added = values.data[head * strides[1] + query * strides[2] + key];
      if (!hides(added) && added == added) continue;
      return Error{called(*attention) + ": its bias hides token " + std::to_string(token) +
                   " from itself, must not"};
    }
  return {};
}

}  // namespace tessera
