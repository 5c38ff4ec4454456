// SPDX-License-Identifier: Apache-2.0
// Moves that come to a lookup of each token's own numbers, spelled as that lookup: the relative
// shift of XLNet reshapes [tokens,numbers] to [numbers,tokens], drops a row and reshapes back.
#include <algorithm>
#include <numeric>
#include <vector>

#include "passes/match.h"
#include "passes/own_numbers.h"

namespace tessera {
namespace {

// The last two axes of a value with others before them, which stay what they are.
struct Root {
  Node* value = nullptr;
  Shape leading;
  int64_t tokens = 0, numbers = 0;
};

// A reshape that deals the elements of its last two axes anew.
std::optional<Root> root_of(const Node* reshape) {
  if (!reshape->is(Op::Reshape)) return std::nullopt;
  const Shape &before = reshape->in[0]->type.shape, &after = reshape->type.shape;
  if (before.size() < 2 || after.size() < 2) return std::nullopt;
  const Shape last(before.end() - 2, before.end()), dealt(after.end() - 2, after.end());
  if (last == dealt || elements(last) != elements(dealt) || last[0] < 2 || last[1] < 2 ||
      dealt[0] < 2 || dealt[1] < 2)
    return std::nullopt;
  return Root{reshape->in[0], Shape(before.begin(), before.end() - 2), last[0], last[1]};
}

// The number of rows that a reshape of those axes makes of one row, each with a part of its
// numbers. Negative: the number of rows that become one. 0: neither is so.
int64_t rows_of_one(const Node& reshape) {
  const Root root = *root_of(&reshape);
  const int64_t rows = *(reshape.type.shape.end() - 2);
  if (rows % root.tokens == 0) return rows / root.tokens;
  return root.tokens % rows == 0 ? -(root.tokens / rows) : 0;
}

// The axes of `shape` that hold `size` elements, from the front; nothing where they do not.
std::optional<size_t> axes_holding(const Shape& shape, int64_t size) {
  int64_t held = 1;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (held == size && shape[d] != 1) return d;
    held *= shape[d];
  }
  return held == size ? std::optional(shape.size()) : std::nullopt;
}

// The same move of what one place of the leading axes holds; nothing where it touches these.
std::optional<Array> moved_behind(const Node& move, const Array& from, int64_t leading) {
  const auto before = axes_holding(move.in[0]->type.shape, leading);
  const auto after = axes_holding(move.type.shape, leading);
  if (!before || !after) return std::nullopt;
  Node probe = move;
  probe.type = {DType::F32, move.type.shape};
  Array in = from;
  in.type = {DType::F32, move.in[0]->type.shape};
  std::fill_n(in.type.shape.begin(), *before, 1);
  std::fill_n(probe.type.shape.begin(), *after, 1);
  std::vector<Array> operands = {in};
  if (move.is(Op::Slice)) {
    for (size_t d = 0; d < *before; ++d)
      if (move.ints("size")[d] != move.in[0]->type.shape[d] || move.ints("step")[d] != 1)
        return std::nullopt;
    std::fill_n(std::get<Shape>(probe.attrs.at("size")).begin(), *before, 1);
  } else if (move.is(Op::Gather)) {
    if (move.int_attr("axis") < static_cast<int64_t>(*before)) return std::nullopt;
    if (!move.in[1]->is(Op::Constant) || !move.in[1]->value.has_data()) return std::nullopt;
    operands.push_back(to_array(move.in[1]->value));
  } else if (move.is(Op::Reshape)) {
    std::fill_n(std::get<Shape>(probe.attrs.at("shape")).begin(), *after, 1);
  } else {
    return std::nullopt;
  }
  Expected<Array> result = eval(probe, operands);
  if (!result) return std::nullopt;
  result->type = probe.type;
  return result.take();
}

// [tokens,others] of the elements that are looked up, where each token has its own.
bool are_own(const Array& found, const Shape& block, const Root& root) {
  if (block.size() != 2 || block[0] != root.tokens) return false;
  for (int64_t i = 0; i < std::ssize(found.data); ++i)
    if (static_cast<int64_t>(found.data[static_cast<size_t>(i)]) / root.numbers != i / block[1])
      return false;
  return true;
}

Node* put_lookup(Graph& graph, Node* last, const Root& root, const Array& found,
                 const Shape& block) {
  const auto leading = std::ssize(root.leading);
  std::vector<int64_t> to_front = {leading, leading + 1}, to_back;
  for (int64_t d = 0; d < leading; ++d) {
    to_front.push_back(d);
    to_back.push_back(d + 2);
  }
  to_back.insert(to_back.end(), {0, 1});
  Node* value = put(graph, last, last, Op::Transpose,
                    {
                        root.value
  },
                    {{"perm", to_front}});
  Shape table = root.leading;
  table.insert(table.begin(), root.tokens * root.numbers);
  value = put_reshape(graph, last, value, table);
  Node* index = graph.add_constant("",
                                   to_tensor(Array{
                                       {DType::I32, block},
                                       found.data
  }),
                                   last);
  value = put(graph, last, last, Op::Gather,
              {
                  value, index
  },
              {{"axis", int64_t{0}}});
  value = put(graph, last, last, Op::Transpose,
              {
                  value
  },
              {{"perm", to_back}});
  return put_reshape(graph, last, value, last->type.shape);
}

void spell(Graph& graph, Node* reshape) {
  constexpr int64_t kMostElements = int64_t{1} << 24;
  constexpr int kMostMoves = 8;
  const auto root = root_of(reshape);
  if (!root || root->tokens * root->numbers > kMostElements) return;
  const int64_t leading = elements(root->leading);
  Array found{
      {DType::F32, {root->tokens, root->numbers}},
      {}
  };
  found.data.resize(static_cast<size_t>(root->tokens * root->numbers));
  std::iota(found.data.begin(), found.data.end(), 0.0);
  Node* last = reshape;
  for (int i = 0; i < kMostMoves; ++i) {
    auto moved = moved_behind(*last, found, leading);
    if (!moved) return;
    found = std::move(*moved);
    const Shape& shape = last->type.shape;
    const Shape block(shape.begin() + static_cast<std::ptrdiff_t>(*axes_holding(shape, leading)),
                      shape.end());
    if (are_own(found, block, *root)) {
      graph.replace_uses(last, put_lookup(graph, last, *root, found, block));
      return;
    }
    const std::vector<Node*> users = graph.users(last);
    if (users.size() != 1 || graph.is_output(last)) return;
    last = users[0];
  }
}

}  // namespace

bool deals_anew(const Node& reshape) { return root_of(&reshape).has_value(); }

bool deal_alike(const Node& reshape, const Node& other) {
  if (reshape.type == other.type) return true;
  if (!deals_anew(other)) return false;
  const int64_t rows = rows_of_one(reshape);
  return rows != 0 && rows == rows_of_one(other);
}

void spell_own_numbers(Graph& graph) {
  std::vector<Node*> reshapes;
  for (const auto& node : graph.nodes())
    if (root_of(node.get())) reshapes.push_back(node.get());
  for (Node* reshape : reshapes) spell(graph, reshape);
  if (!reshapes.empty()) graph.remove_dead();
}

}  // namespace tessera
