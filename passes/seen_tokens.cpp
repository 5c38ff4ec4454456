// SPDX-License-Identifier: Apache-2.0
#include "passes/seen_tokens.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/attention_mask.h"
#include "passes/key_mask.h"
#include "passes/match.h"

namespace tessera {
namespace {

// The most values of a mask's nodes, all together, that every case is tried on, and that a bias,
// which layers share, is tried on in the first case.
constexpr int64_t kMostTried = int64_t{1} << 22, kMostOfBias = int64_t{1} << 26;
constexpr int64_t kMostNodesOfMasks = int64_t{1} << 20;

// Whether the node looks tokens up or multiplies them: its result is their numbers, not a mask.
bool makes_numbers(const Node& node) {
  return is_float_matmul(&node) || node.is(Op::Attention) ||
         (node.is(Op::Gather) && !node.in[1]->is(Op::Constant));
}

// A batch of requests. Each has `length` tokens. All have this id, this number in every other input
// of tokens (types, further masks), and this number in what they are looked up or multiplied to.
struct Case {
  int64_t length = 0;
  double id = 1, other = 1, number = 0;
};

// A mask of minima tells a large id from a small one, a lookup one number from another, and a mask
// that is shifted shows a short request nothing. Whether a token sees itself follows from what is
// its own, so that all tokens may be alike.
std::vector<Case> cases(int64_t row_length) {
  std::vector<Case> all = {
      {.length = row_length},
      {.length = row_length, .id = 1000},
      {.length = row_length, .number = 1},
      {.length = row_length, .number = -1},
      {.length = row_length, .other = 0},
      {.length = row_length, .other = 3}
  };
  for (int64_t length = 1; length < std::min<int64_t>(row_length, 4); ++length)
    all.push_back({.length = length});
  return all;
}

// The nodes that make a mask, in their order.
struct Made {
  std::vector<const Node*> nodes;
  bool of_ids = false, of_others = false;
  bool is_whole = false;  // else too much to look at
  bool is_small = false;  // enough for all cases
  bool may_hide = false;  // something of a batch whose tokens are all there
};

class Masks {
 public:
  Masks(const Graph& graph, const OrdinaryBatch& batch);

  Status check(const Node* node);

 private:
  Made made(const Node* value, int64_t most_elements);
  static bool is_places(const Node& input);
  bool is_other(const Node& node) const;
  double cell(const Node& input, int64_t token, const Case& of) const;
  Expected<Array> value(const Made& made, const Case& of) const;
  void add_compared(const Made& of, std::vector<Case>& tried) const;
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
    result.of_others = result.of_others || is_other(*next);
    result.may_hide = result.may_hide || next->is(Op::Input) || is_of_places;
    if (!makes_numbers(*next)) open.insert(open.end(), next->in.begin(), next->in.end());
  }
  result.is_whole = open.empty() && elements_left >= 0;
  result.is_small = result.is_whole && most_elements - elements_left <= kMostTried;
  std::ranges::sort(result.nodes, {}, [&](const Node* node) { return place_.at(node); });
  return result;
}

bool Masks::is_places(const Node& input) {
  return input.name.find("position") != std::string::npos &&
         input.name.find("mask") == std::string::npos;
}

bool Masks::is_other(const Node& node) const {
  return node.is(Op::Input) && &node != batch_.ids && &node != batch_.mask && !is_places(node);
}

double Masks::cell(const Node& input, int64_t token, const Case& of) const {
  if (is_places(input)) return static_cast<double>(token);
  const bool is_there = token < of.length;
  if (&input == batch_.mask) return is_there ? batch_.there : 1 - batch_.there;
  if (!is_there) return 0;
  return &input == batch_.ids ? of.id : of.other;
}

Expected<Array> Masks::value(const Made& made, const Case& of) const {
  std::unordered_map<const Node*, Array> values;
  for (const Node* node : made.nodes) {
    Array& result = values[node] = {node->type, {}};
    const int64_t count = elements(node->type.shape);
    if (makes_numbers(*node)) {
      result.data.assign(static_cast<size_t>(count), of.number);
      continue;
    }
    if (node->is(Op::Input)) {
      const bool is_by_token = node->type.shape == batch_.ids->type.shape;
      for (int64_t at = 0; at < count; ++at)
        result.data.push_back(is_by_token ? cell(*node, at % node->type.shape[1], of) : of.other);
      continue;
    }
    std::vector<Array> in;
    for (const Node* operand : node->in) in.push_back(values.at(operand));
    result = TRY(eval_as_machine(*node, std::move(in)));
    result.type = node->type;
    round_to_dtype(result);
  }
  return std::move(values.at(made.nodes.back()));
}

// A mask may ask types and other inputs for any number.
void Masks::add_compared(const Made& of, std::vector<Case>& tried) const {
  constexpr size_t kMost = 64;
  std::set<double> numbers;
  for (const Node* node : of.nodes) {
    const auto number = node->is(Op::Constant) ? splat(node) : std::nullopt;
    if (number && std::floor(*number) == *number && std::abs(*number) < 1 << 20)
      numbers.insert({*number - 1, *number, *number + 1});
  }
  for (const double number : numbers)
    if (tried.size() < kMost)
      tried.push_back({.length = batch_.ids->type.shape[1], .other = number});
}

template <class Check>
Status Masks::check_values(const Node* user, const Made& of, const Check& check) const {
  if (!of.is_small && (of.of_ids || of.of_others))
    return Error{called(*user) + ": its mask is made of tokens by too many values to look at, " +
                 "must be made of fewer"};
  if (!of.is_whole || !of.may_hide) return {};
  std::vector<Case> tried = cases(batch_.ids->type.shape[1]);
  if (of.of_others) add_compared(of, tried);
  if (!of.is_small) tried.resize(1);
  for (const Case& one : tried) {
    const Expected<Array> values = value(of, one);
    if (values.ok()) TRY(check(*values, one));
  }
  return {};
}

// Scores [..,queries,keys] show each query its own key, others some token of the request: all of
// them where ids are asked, as others of the request may be hidden by theirs.
Status Masks::check_scores(const Node* node) {
  const Shape& shape = node->in[0]->type.shape;
  const auto axis =
      static_cast<size_t>(node->is(Op::Softmax) ? node->int_attr("axis") : node->ints("axes")[0]);
  const int64_t keys = shape[axis], row_length = batch_.ids->type.shape[1];
  const bool has_pairs = axis + 1 == shape.size() && axis > 0 && shape[axis - 1] == keys;
  const Made scores = made(node->in[0], kMostTried);
  const Shape strides = row_major_strides(shape);
  return check_values(node, scores, [&](const Array& values, const Case& of) -> Status {
    if (keys != row_length && of.length != row_length) return {};
    const int64_t length = keys == row_length ? of.length : keys;
    const auto is_hidden = [&](int64_t line, int64_t key) {
      return hides(values.data[static_cast<size_t>(line + key * strides[axis])]);
    };
    for (int64_t line = 0; line < std::ssize(values.data); ++line) {
      if (line / strides[axis] % keys != 0) continue;  // the first key of each
      const int64_t query = has_pairs ? line / strides[axis - 1] % keys : 0;
      if (query >= length) continue;
      int64_t seen = 0;
      for (int64_t key = 0; key < length; ++key) seen += !is_hidden(line, key);
      const bool sees =
          has_pairs ? !is_hidden(line, query) : seen > (scores.of_ids ? length - 1 : 0);
      if (!sees)
        return Error{called(*node) + ": its mask may hide " +
                     (has_pairs ? "token " + std::to_string(query) + " of a request from itself"
                                : "all tokens of a request") +
                     ", must not"};
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
    TRY(check_values(
        node, made(node->in[said.bias_operand()], kMostOfBias),
        [&](const Array& bias, const Case& of) { return check_own_keys(node, bias, of.length); }));
  if (!said.has_keys() || !checked_.insert(node->in[3]).second) return {};
  return check_values(
      node, made(node->in[3], kMostOfBias), [&](const Array& keys, const Case& of) -> Status {
        for (int64_t at = 0; at < std::ssize(keys.data); ++at)
          if (at % keys.type.shape[1] < of.length && keys.data[static_cast<size_t>(at)] == 0)
            return Error{called(*node) + ": its mask may hide tokens of a request, must not"};
        return {};
      });
}

}  // namespace

Status check_tokens_are_seen(const Graph& graph, const OrdinaryBatch& batch) {
  Masks masks(graph, batch);
  for (const auto& node : graph.nodes()) TRY(masks.check(node.get()));
  return {};
}

Status check_own_keys(const Node* attention, const Array& values, int64_t tokens) {
  const Shape& shape = values.type.shape;
  const Shape strides = row_major_strides(shape);
  for (int64_t head = 0; head < shape[1]; ++head)
    for (int64_t token = 0; token < std::min(tokens, std::max(shape[2], shape[3])); ++token) {
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
