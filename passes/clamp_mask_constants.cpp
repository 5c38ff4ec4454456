// SPDX-License-Identifier: Apache-2.0
// Numbers that a mask adds to scores stay within what f16 holds.
//
// Exporters write f32's minimum for "not this key". In f16 that is -inf, and then (1 - mask) · -inf
// is NaN at every real token, and a row of padding alone is NaN in either case. -65504 says the
// same: its exponential is 0. A mask of -inf stays, as f16 has it too.
//
// Only what is proved to be a mask changes. A sum or a select is one of scores if a softmax (or the
// bias of an attention) is all that reads it. A value that is added to scores, or selected in their
// place, is a mask if it holds a few known numbers, and each is either the same with the constants
// within f16 or hides its key with them as without them. A number hides only beside one that shows
// a key. So a mask of keys must show some, and where each query has its own mask, as in a window, a
// query that sees no key must get the same: of two numbers that hide the lower one must still
// vanish beside the other, and a number that leaves a part of the score must not become one that
// leaves none. Another mask keeps its numbers, and lower_precision keeps what reads it in f32. The
// mask is made again for that one use; whoever else reads it or its constants keeps the old.
//
// In f32 a score is gone beside f32's minimum, so that a query that sees no key sees all alike. In
// f16 something of it is left beside -65504. Where each query has its own mask, -65504 therefore
// takes the place of the score; an attention with a bias that stays in f32 keeps its masks as they
// are.
#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "ir/attention_mask.h"
#include "passes/fp32_nodes.h"
#include "passes/key_mask.h"
#include "passes/mask_values.h"
#include "passes/match.h"
#include "passes/passes.h"
#include "support/half.h"

namespace tessera {
namespace {

// An operand that goes into scores, added or (`subtracted`) taken off.
struct Use {
  Node* user = nullptr;
  size_t operand = 0;
  bool subtracted = false;

  double sign() const { return subtracted ? -1 : 1; }
  bool takes_place() const { return user->is(Op::Select); }  // of a score; else it is added
};

// The operands of a node that go into its result as scores.
std::vector<Use> score_operands(Node* node) {
  if (is_view(node))
    return {
        {node, 0}
    };
  if (node->is(Op::Add))
    return {
        {node, 0},
        {node, 1}
    };
  if (node->is(Op::Sub))
    return {
        {node, 0},
        {node, 1, true}
    };
  if (node->is(Op::Select))
    return {
        {node, 1},
        {node, 2}
    };
  return {};
}

// Each use of a value in scores, from their softmax up. Attentions whose names are in `left` are
// left out.
std::vector<Use> uses_in_scores(const Graph& graph, const std::unordered_set<std::string>& left) {
  std::unordered_map<const Node*, size_t> uses;
  for (const auto& node : graph.nodes())
    for (const Node* in : node->in) ++uses[in];
  std::unordered_map<const Node*, size_t> as_scores;
  std::vector<Use> found;
  const auto add = [&](const Use& use) {
    found.push_back(use);
    if (!use.subtracted) ++as_scores[use.user->in[use.operand]];
  };
  for (auto at = graph.nodes().rbegin(); at != graph.nodes().rend(); ++at) {
    Node* node = at->get();
    if (node->is(Op::Softmax)) add({node, 0});
    if (node->is(Op::Attention) && !left.contains(node->name)) {
      const AttentionMask mask = *attention_mask(node->string_attr("mask"));
      if (mask.bias) add({node, mask.bias_operand()});
    }
    const auto reads = as_scores.find(node);
    if (reads == as_scores.end() || reads->second != uses[node] || graph.is_output(node)) continue;
    for (const Use& use : score_operands(node)) add(use);
  }
  return found;
}

bool needs_clamping(double exact) { return std::isfinite(exact) && std::abs(exact) > kMaxHalf; }

double clamped(double value) {
  return needs_clamping(value) ? std::copysign(double{kMaxHalf}, value) : value;
}

// Whether a number says the same with constants within f16, beside one that shows a key.
bool says_the_same(const Number& number) {
  const auto& [exact, held] = number;
  if (std::isnan(exact)) return std::isnan(held);
  if (std::abs(exact) <= kMaxHalf) return std::abs(held - exact) <= 1e-6 + 1e-3 * std::abs(exact);
  return exact < 0 && hides(held);
}

// No exporter writes more numbers that hide than this.
constexpr size_t kMostHiding = 64;

// Whether the lower of two numbers that hide is as far below the other with constants within f16.
bool stays_below(const Number& lower, const Number& higher) {
  if (!(lower.exact < higher.exact) || std::isinf(lower.held)) return true;
  return hides(lower.held - higher.held) || lower.held - higher.held == lower.exact - higher.exact;
}

// Whether a query that only these numbers hide all keys from gets the same. They are added to
// scores or (`takes_place`) stand in their place.
bool hide_alike(std::vector<Number> numbers, bool takes_place) {
  std::ranges::sort(numbers, {}, &Number::exact);
  const auto more = std::ranges::unique(numbers, {}, &Number::exact);
  numbers.erase(more.begin(), more.end());
  if (numbers.size() > kMostHiding) return false;
  return std::ranges::all_of(numbers, [&](const Number& number) {
    const bool leaves_nothing = absorbs(number.exact) && number.held <= -double{kMaxHalf};
    if (needs_clamping(number.exact) && !takes_place && !leaves_nothing) return false;
    if (std::isinf(number.exact) && std::isfinite(number.held)) return false;
    return std::ranges::all_of(numbers,
                               [&](const Number& other) { return stays_below(number, other); });
  });
}

struct MaskUse {
  double sign = 1;           // with which its numbers are added
  bool takes_place = false;  // of scores
  bool of_each_query = false;
};

// Whether all of these say the same, and some only with other constants.
bool is_clamped_mask(std::vector<Number> numbers, const MaskUse& use) {
  if (std::ranges::none_of(numbers, [](const Number& n) { return needs_clamping(n.exact); }))
    return false;
  for (Number& number : numbers) number = {number.exact * use.sign, number.held * use.sign};
  if (!std::ranges::all_of(numbers, says_the_same)) return false;
  const auto shown =
      std::ranges::partition(numbers, [](const Number& n) { return hides(n.exact); });
  if (!use.of_each_query && !use.takes_place) return !shown.empty();
  return hide_alike({numbers.begin(), shown.begin()}, use.takes_place);
}

// Whether the mask may be another for each query, and hide all keys from some.
bool is_of_each_query(Node* mask) {
  const Shape& shape = behind_broadcasts(mask)->type.shape;
  return mask->type.shape.size() > 2 && shape.size() > 1 && shape[shape.size() - 2] > 1;
}

// Makes masks again, with their constants within f16. Layers share what they shared.
class Masks {
 public:
  Masks(Graph& graph, const MaskValues& values) : graph_(graph), values_(values) {}

  // Whether this is proved a mask that has numbers out of range.
  bool are_out_of_range(Node* mask, const Use& use);
  // Null where it is made of more nodes than any exporter writes.
  Node* clamp(Node* mask);

 private:
  Node* again(Node* node);

  Graph& graph_;
  const MaskValues& values_;
  std::unordered_map<Node*, Node*> made_;
  // Constants of many numbers, by sign and by whether they take the place of scores.
  std::map<std::tuple<const Node*, double, bool>, bool> constants_;
};

// A constant of many numbers is a mask where each either hides its key or is in range already.
bool Masks::are_out_of_range(Node* mask, const Use& of) {
  const MaskUse use{of.sign(), of.takes_place(), is_of_each_query(mask)};
  if (const std::vector<Number>& numbers = values_.of(mask); !numbers.empty())
    return is_clamped_mask(numbers, use);
  const Node* constant = mask;
  for (int i = 0; i < kFarthest && is_view(constant); ++i) constant = constant->in[0];
  if (!constant->is(Op::Constant) || !constant->value.has_data() || !is_float(constant->type.dtype))
    return false;
  const auto [known, is_new] = constants_.try_emplace({constant, use.sign, use.takes_place}, false);
  if (!is_new) return known->second;
  std::vector<Number> numbers;
  for (const double value : to_array(constant->value).data)
    numbers.push_back({value, clamped(value)});
  return known->second = is_clamped_mask(numbers, use);
}

Node* Masks::clamp(Node* mask) {
  std::vector<Node*> open{mask};
  for (int left = kMostMaskNodes; !open.empty();) {
    Node* node = open.back();
    const size_t before = open.size();
    if (!made_.contains(node))
      for (Node* in : values_.made_from(node))
        if (!made_.contains(in)) open.push_back(in);
    if (open.size() > before) {
      if (left-- == 0) return nullptr;
      continue;
    }
    open.pop_back();
    if (!made_.contains(node)) made_[node] = again(node);
  }
  return made_.at(mask);
}

// The node itself where nothing that it is made of is out of range.
Node* Masks::again(Node* node) {
  if (node->is(Op::Constant)) {
    if (!is_float(node->type.dtype) || !node->value.has_data()) return node;
    Array array = to_array(node->value);
    if (std::ranges::none_of(array.data, needs_clamping)) return node;
    for (double& value : array.data) value = clamped(value);
    return graph_.add_constant(node->name, to_tensor(array), node);
  }
  std::vector<Node*> in = node->in;
  for (size_t i = 0; i < values_.made_from(node).size(); ++i) in[i] = made_.at(in[i]);
  return in == node->in ? node : put(graph_, node, node, node->op, in, node->attrs);
}

// The mask is another for each query, and its numbers leave nothing of a score in f32.
bool may_hide_all_of_a_query(Node* mask, const std::vector<Number>& numbers) {
  return is_of_each_query(mask) && std::ranges::any_of(numbers, [](const Number& n) {
           return needs_clamping(n.exact) && absorbs(n.exact);
         });
}

// A mask in a sum of scores. The mask's number takes the place of the sum where it hides.
struct MaskedSum {
  Node* sum = nullptr;
  Node* mask = nullptr;
};

// The sums of scores that this one ends in, through sums and broadcasts alone.
std::vector<Node*> last_sums(Node* first, const UserMap& users) {
  std::vector<Node*> open{first}, last;
  std::unordered_set<const Node*> seen;
  while (!open.empty()) {
    Node* node = open.back();
    open.pop_back();
    if (!seen.insert(node).second) continue;
    const auto found = users.find(node);
    const bool goes_on = found != users.end() && std::ranges::all_of(found->second, [](Node* user) {
                           return user->is(Op::Add) || user->is(Op::Broadcast);
                         });
    if (goes_on)
      open.insert(open.end(), found->second.begin(), found->second.end());
    else
      last.push_back(node);
  }
  return last;
}

void put_masks_in_place(Graph& graph, const std::vector<MaskedSum>& masked) {
  if (masked.empty()) return;
  const UserMap users = users_of(graph);
  std::vector<Node*> sums;
  std::unordered_map<Node*, Node*> instead;  // of a sum: with its masks so far
  for (const MaskedSum& one : masked) {
    for (Node* sum : last_sums(one.sum, users)) {
      Node*& scores = instead[sum];
      if (!scores) {
        sums.push_back(sum);
        scores = put(graph, sum, sum, sum->op, sum->in, sum->attrs);
      }
      const Shape& shape = sum->type.shape;
      Node* thin = behind_broadcasts(one.mask);
      Node* lowest = put_splat(graph, sum, thin->type.dtype, -double{kMaxHalf}, thin->type.shape);
      Node* hidden = put(graph, sum, sum, Op::Equal, {thin, lowest});
      scores = put(graph, sum, sum, Op::Select,
                   {put_broadcast(graph, sum, hidden, shape),
                    put_broadcast(graph, sum, thin, shape), scores});
    }
  }
  for (Node* sum : sums) graph.replace_uses(sum, instead.at(sum));
}

// Leaves the masks of attentions of these names.
bool clamp_masks(Graph& graph, const std::unordered_set<std::string>& left) {
  const MaskValues values(graph);
  Masks masks(graph, values);
  std::vector<MaskedSum> in_place;
  bool changed = false;
  for (const Use& use : uses_in_scores(graph, left)) {
    Node* mask = use.user->in[use.operand];
    if (!values.of(use.user).empty()) continue;  // a part of a mask, which is judged as a whole
    if (!masks.are_out_of_range(mask, use)) continue;
    Node* instead = masks.clamp(mask);
    if (!instead || instead == mask) continue;
    graph.set_operand(use.user, use.operand, instead);
    if (use.user->is(Op::Add) && may_hide_all_of_a_query(instead, values.of(mask)))
      in_place.push_back({use.user, instead});
    changed = true;
  }
  put_masks_in_place(graph, in_place);
  return changed;
}

// Attentions with a bias that other rules keep in f32: there it needs no other numbers, and nothing
// of a score may be left beside those of a query that sees no key.
std::unordered_set<std::string> attentions_in_fp32(const Graph& graph, const PassOptions& options) {
  std::unordered_set<std::string> found;
  for (const auto& node : graph.nodes())
    if (node->is(Op::Attention) && attention_mask(node->string_attr("mask"))->bias)
      found.insert(node->name);
  if (found.empty()) return found;
  Graph clamped = graph.clone();
  if (!clamp_masks(clamped, {})) return {};
  const Fp32Choice choice = choose_fp32(clamped, options);
  for (const auto& node : clamped.nodes())
    if (!choice.nodes.contains(node.get())) found.erase(node->name);
  return found;
}

}  // namespace

Expected<bool> clamp_mask_constants(Graph& graph, PassState& state) {
  return clamp_masks(graph, attentions_in_fp32(graph, state.options));
}

}  // namespace tessera
