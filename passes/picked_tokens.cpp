// SPDX-License-Identifier: Apache-2.0
#include "passes/picked_tokens.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "passes/match.h"
#include "passes/value_range.h"

namespace tessera {
namespace {

// The elements that all tries together may evaluate.
constexpr int64_t kMostElements = int64_t{1} << 26;

// A gather of one token a row, in the line of all tokens.
struct Pick {
  Node* gather = nullptr;
  Node* tokens = nullptr;  // [rows,row_length,…]
};

class Picks {
 public:
  Picks(Graph& graph, const Node* ids, Node* mask)
      : graph_(graph), mask_(mask), rows_(ids->type.shape[0]), length_(ids->type.shape[1]) {}

  void settle();

 private:
  std::optional<Pick> pick_of(Node* node) const;
  Node* largest_of(const Node* index) const;
  Node* place_of_largest(Node* value) const;
  bool is_one_a_row(const Node* index, const Node* from) const;
  bool names(const Node* index, const Node* from, const std::vector<const Node*>& order,
             int64_t shift) const;
  bool loses_behind(const Node* value);
  std::optional<double> most_behind(const std::vector<const Node*>& order, double mask) const;

  Node* present(const Node* before);
  Node* last(const Node* before);
  Node* first_largest(Node* value, const Node* before);
  Node* by_row(const Node* before, Node* of_rows);
  void replace(const Pick& pick, Node* is_it);

  Graph& graph_;
  Node* mask_;
  int64_t rows_, length_;
  std::optional<ValueRanges> ranges_;
};

std::optional<Pick> Picks::pick_of(Node* node) const {
  if (!node->is(Op::Gather) || node->int_attr("axis") != 0) return std::nullopt;
  const Node* line = node->in[0];
  if (!line->is(Op::Reshape) || elements(node->in[1]->type.shape) != rows_) return std::nullopt;
  Node* tokens = line->in[0];
  const Shape& shape = tokens->type.shape;
  if (shape.size() < 2 || shape[0] != rows_ || shape[1] != length_) return std::nullopt;
  if (line->type.shape.empty() || line->type.shape[0] != rows_ * length_) return std::nullopt;
  const bool is_number = node->in[1]->is(Op::Constant);
  return is_number ? std::nullopt : std::optional<Pick>({node, tokens});
}

// Everything that `index` is made of without what `from` is made of, operands first.
std::vector<const Node*> all_between(const Graph& graph, const Node* index, const Node* from) {
  std::unordered_set<const Node*> seen;
  std::vector<const Node*> open = {index}, order;
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    if (seen.insert(node).second && node != from)
      open.insert(open.end(), node->in.begin(), node->in.end());
  }
  for (const auto& node : graph.nodes())
    if (seen.contains(node.get())) order.push_back(node.get());
  return order;
}

// Whether the index of each row is that of its own token, where `from` is the mask of rows of
// different lengths, or the place of that token.
bool Picks::names(const Node* index, const Node* from, const std::vector<const Node*>& order,
                  int64_t shift) const {
  const auto place = [&](int64_t row) { return (shift + row) % length_; };
  std::unordered_map<const Node*, Array> values;
  for (const Node* node : order) {
    Array& value = values[node];
    if (node == from) {
      value.type = node->type;
      for (int64_t i = 0; i < elements(node->type.shape); ++i)
        value.data.push_back(
            static_cast<double>(from == mask_ ? i % length_ <= place(i / length_) : place(i)));
      continue;
    }
    std::vector<Array> in;
    for (const Node* operand : node->in) in.push_back(values.at(operand));
    Expected<Array> made = eval_as_machine(*node, std::move(in));
    if (!made.ok()) return false;
    value = made.take();
    value.type = node->type;
    round_to_dtype(value);
  }
  const std::vector<double>& named = values.at(index).data;
  for (int64_t row = 0; row < rows_; ++row)
    if (named[row] != static_cast<double>(row * length_ + place(row))) return false;
  return true;
}

bool Picks::is_one_a_row(const Node* index, const Node* from) const {
  const std::vector<const Node*> order = all_between(graph_, index, from);
  int64_t count = 0;
  bool is_made_of_it = false;
  for (const Node* node : order) {
    count += elements(node->type.shape);
    is_made_of_it = is_made_of_it || node == from;
    if (node != from && node->is(Op::Input)) return false;
    if (node->is(Op::Constant) && !node->value.has_data()) return false;
  }
  if (!is_made_of_it || count > kMostElements / length_) return false;
  for (int64_t shift = 0; shift < length_; ++shift)
    if (!names(index, from, order, shift)) return false;
  return true;
}

// x, where the value is the place of the first of its largest numbers in each row, as import writes
// ArgMax; null where it is not.
Node* Picks::place_of_largest(Node* value) const {
  const auto along = [](const Node* node) {
    return node->is(Op::ReduceMax) && node->ints("axes") == std::vector<int64_t>{1};
  };
  if (!value->is(Op::Sub) || splat(value->in[0]) != static_cast<double>(length_ - 1) ||
      !along(value->in[1]))
    return nullptr;
  const Node* found = value->in[1]->in[0];
  if (!found->is(Op::Select) || splat(found->in[1]) != -1.0 || !found->in[0]->is(Op::Less))
    return nullptr;
  const Node* number = found->in[2];
  if (!number->is(Op::Constant) || number->type.shape != Shape{rows_, length_}) return nullptr;
  for (int64_t i = 0; i < rows_ * length_; ++i)
    if (element(number->value, i) != static_cast<double>(length_ - 1 - i % length_)) return nullptr;
  Node* x = found->in[0]->in[0];
  const Node* top = behind_views(found->in[0]->in[1]);
  const bool is_top = along(top) && top->in[0] == x && x->type.dtype == DType::I32 &&
                      x->type.shape == Shape{rows_, length_};
  return is_top ? x : nullptr;
}

Node* Picks::largest_of(const Node* index) const {
  for (const Node* node : all_between(graph_, index, nullptr)) {
    auto* place = const_cast<Node*>(node);
    Node* x = place_of_largest(place);
    if (x && is_one_a_row(index, place)) return x;
  }
  return nullptr;
}

// The largest number of the last in `order` in cells that hold 0 in every input, and `mask` in the
// mask. Nothing where a cell may hold what others have to do with.
std::optional<double> Picks::most_behind(const std::vector<const Node*>& order, double mask) const {
  std::unordered_map<const Node*, Array> values;
  int64_t count = 0;
  for (const Node* node : order) {
    const bool is_given = node->is(Op::Input), is_known = node->is(Op::Constant);
    const bool of_constant = is_view(node) && behind_views(node->in[0])->is(Op::Constant);
    if (!is_given && !is_known && !of_constant && !info(node->op).elementwise) return std::nullopt;
    if (is_given && node->type.shape != Shape{rows_, length_}) return std::nullopt;
    if (is_known && !node->value.has_data()) return std::nullopt;
    count += elements(node->type.shape);
    if (count > kMostElements) return std::nullopt;
    Array& value = values[node];
    if (is_given) {
      const double held = node == mask_ ? mask : 0;
      value.data.assign(static_cast<size_t>(elements(node->type.shape)), held);
    } else {
      std::vector<Array> in;
      for (const Node* operand : node->in) in.push_back(values.at(operand));
      Expected<Array> made = eval_as_machine(*node, std::move(in));
      if (!made.ok()) return std::nullopt;
      value = made.take();
    }
    value.type = node->type;
    round_to_dtype(value);
  }
  const std::vector<double>& made = values.at(order.back()).data;
  return made.empty() ? std::nullopt : std::optional(*std::ranges::max_element(made));
}

// Whether no cell behind a request holds more than any of its tokens: the first largest is a token
// then.
bool Picks::loses_behind(const Node* value) {
  if (!ranges_) ranges_ = find_ranges(graph_);
  const ValueRange& range = ranges_->at(value);
  if (range.lo < INT32_MIN || range.hi > INT32_MAX) return false;  // it may wrap
  const std::vector<const Node*> order = all_between(graph_, value, nullptr);
  return std::ranges::all_of(std::array{0.0, 1.0}, [&](double mask) {
    const std::optional<double> most = most_behind(order, mask);
    return most && *most <= range.lo;
  });
}

Node* Picks::present(const Node* before) {
  return put(graph_, before, mask_, Op::Cast,
             {
                 mask_
  },
             {{"to", std::string("bool")}});
}

Node* Picks::by_row(const Node* before, Node* of_rows) {
  return put_broadcast(graph_, before, put_reshape(graph_, before, of_rows, {rows_, 1}),
                       {rows_, length_});
}

// The token at which the count of those so far is that of all.
Node* Picks::last(const Node* before) {
  Node* there = present(before);
  Node* ones = put(graph_, before, there, Op::Cast,
                   {
                       there
  },
                   {{"to", std::string("i32")}});
  Node* count = put(graph_, before, ones, Op::ReduceSum,
                    {
                        ones
  },
                    {{"axes", Shape{1}}});
  Node* so_far = put(graph_, before, ones, Op::CumSum,
                     {
                         ones
  },
                     {{"axis", int64_t{1}}});
  Node* is_all = put(graph_, before, ones, Op::Equal, {so_far, by_row(before, count)});
  return put(graph_, before, ones, Op::And, {is_all, there});
}

Node* Picks::first_largest(Node* value, const Node* before) {
  Node* there = present(before);
  Node* low = put_splat(graph_, before, DType::I32, -2147483648.0, value->type.shape);
  Node* kept = put(graph_, before, value, Op::Select, {there, value, low});
  Node* top = put(graph_, before, value, Op::ReduceMax,
                  {
                      kept
  },
                  {{"axes", Shape{1}}});
  Node* below = put(graph_, before, value, Op::Less, {kept, by_row(before, top)});
  Node* is_top = put(graph_, before, value, Op::Not, {below});
  Node* found = put(graph_, before, value, Op::And, {is_top, there});
  Node* ones = put(graph_, before, value, Op::Cast,
                   {
                       found
  },
                   {{"to", std::string("i32")}});
  Node* so_far = put(graph_, before, value, Op::CumSum,
                     {
                         ones
  },
                     {{"axis", int64_t{1}}});
  Node* one = put_splat(graph_, before, DType::I32, 1, value->type.shape);
  Node* is_first = put(graph_, before, value, Op::Equal, {so_far, one});
  return put(graph_, before, value, Op::And, {is_first, found});
}

void Picks::replace(const Pick& pick, Node* is_it) {
  const Node* before = pick.gather;
  const Shape& whole = pick.tokens->type.shape;
  Shape thin = {rows_, length_};
  thin.resize(whole.size(), 1);
  Node* chosen = put_broadcast(graph_, before, put_reshape(graph_, before, is_it, thin), whole);
  Node* zero = put_splat(graph_, before, pick.tokens->type.dtype, 0, whole);
  Node* alone = put(graph_, before, before, Op::Select, {chosen, pick.tokens, zero});
  Node* sum = put(graph_, before, before, Op::ReduceSum,
                  {
                      alone
  },
                  {{"axes", Shape{1}}});
  graph_.replace_uses(pick.gather, put_reshape(graph_, before, sum, pick.gather->type.shape));
}

void Picks::settle() {
  std::vector<Pick> picks;
  for (const auto& node : graph_.nodes())
    if (const auto pick = pick_of(node.get())) picks.push_back(*pick);
  for (const Pick& pick : picks) {
    const Node* index = pick.gather->in[1];
    if (is_one_a_row(index, mask_))
      replace(pick, last(pick.gather));
    else if (Node* value = largest_of(index); value && loses_behind(value))
      replace(pick, first_largest(value, pick.gather));
  }
}

}  // namespace

Status settle_picked_tokens(Graph& graph, const Node* ids, Node* mask) {
  if (!mask || mask->type != ids->type) return {};
  Picks(graph, ids, mask).settle();
  graph.remove_dead();
  return {};
}

}  // namespace tessera
