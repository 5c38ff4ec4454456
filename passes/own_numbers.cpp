// SPDX-License-Identifier: Apache-2.0
#include "passes/own_numbers.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "passes/match.h"

namespace tessera {
namespace {

// The number of the distance between two places in the order that order_by_distance says.
int64_t order_of(int64_t distance) { return distance > 0 ? 2 * distance - 1 : -2 * distance; }

// The matmul whose columns are the numbers, behind moves of its result.
struct Product {
  Node* matmul = nullptr;
  std::vector<Node*> moves;       // from the matmul on
  const Node* columns = nullptr;  // the constant, [...,numbers]
};

// A reshape of other axes.
bool keeps_last_axis(const Node* node, int axis) {
  if (!node->is(Op::Reshape) || axis + 1 != std::ssize(node->type.shape)) return false;
  const Shape& before = node->in[0]->type.shape;
  return !before.empty() && before.back() == node->type.shape.back();
}

std::optional<Product> product_behind(const Node* reshape, int axis) {
  Product product;
  Node* value = reshape->in[0];
  for (int i = 0; i < kFarthest; ++i) {
    if (value->is(Op::Transpose))
      axis = static_cast<int>(value->ints("perm")[static_cast<size_t>(axis)]);
    else if (keeps_last_axis(value, axis))
      axis = static_cast<int>(value->in[0]->type.shape.size()) - 1;
    else
      break;
    product.moves.insert(product.moves.begin(), value);
    value = value->in[0];
  }
  if (!value->is(Op::MatMul) || axis + 1 != std::ssize(value->type.shape)) return std::nullopt;
  product.matmul = value;
  product.columns = value->in[1]->is(Op::Broadcast) ? value->in[1]->in[0] : value->in[1];
  if (!product.columns->is(Op::Constant) || !product.columns->value.has_data()) return std::nullopt;
  if (product.columns->type.shape.back() != value->type.shape.back()) return std::nullopt;
  return product;
}

bool are_alike(const Array& columns, int64_t numbers, int64_t one, int64_t other) {
  if (one == other) return true;
  for (int64_t i = 0; i < std::ssize(columns.data); i += numbers)
    if (!same_bits(columns.data[static_cast<size_t>(i + one)],
                   columns.data[static_cast<size_t>(i + other)]))
      return false;
  return true;
}

// By its order, the column of each distance; nothing where a distance has two.
std::optional<std::vector<int64_t>> columns_by_distance(const Node& index, const OwnNumbers& own,
                                                        const Array& columns) {
  const Shape& shape = index.type.shape;
  int other = -1;
  for (int d = 0; d < static_cast<int>(shape.size()); ++d) {
    if (d == own.axis || shape[static_cast<size_t>(d)] == 1) continue;
    if (other >= 0 || shape[static_cast<size_t>(d)] != own.tokens) return std::nullopt;
    other = d;
  }
  if (other < 0) return std::nullopt;
  const Shape strides = row_major_strides(shape);
  const auto place = [&](int64_t i, int axis) {
    return i / strides[static_cast<size_t>(axis)] % own.tokens;
  };
  std::vector<int64_t> found(static_cast<size_t>(2 * own.tokens - 1), -1);
  for (int64_t i = 0; i < elements(shape); ++i) {
    const int64_t column = static_cast<int64_t>(element(index.value, i)) % own.numbers;
    int64_t& known = found[static_cast<size_t>(order_of(place(i, other) - place(i, own.axis)))];
    if (known < 0) known = column;
    if (!are_alike(columns, own.numbers, known, column)) return std::nullopt;
  }
  return found;
}

Node* put_columns(Graph& graph, const Node* before, const Array& columns, int64_t numbers,
                  const std::vector<int64_t>& order) {
  Array made{columns.type, {}};
  made.type.shape.back() = std::ssize(order);
  for (int64_t i = 0; i < std::ssize(columns.data); i += numbers)
    for (const int64_t column : order)
      made.data.push_back(columns.data[static_cast<size_t>(i + column)]);
  return graph.add_constant("", to_tensor(made), before);
}

Node* put_index(Graph& graph, const Node* gather, const OwnNumbers& own) {
  Array index = to_array(gather->in[1]->value);
  const Shape strides = row_major_strides(index.type.shape);
  for (int64_t i = 0; i < std::ssize(index.data); ++i) {
    const int64_t token = i / strides[static_cast<size_t>(own.axis)] % own.tokens;
    int64_t at = i, other = 0;  // the place along the only other axis
    for (size_t d = 0; d < strides.size(); ++d) {
      if (static_cast<int>(d) != own.axis) other += at / strides[d];
      at %= strides[d];
    }
    index.data[static_cast<size_t>(i)] =
        static_cast<double>(token * (2 * own.tokens - 1) + order_of(other - token));
  }
  return graph.add_constant("", to_tensor(index), gather);
}

void order(Graph& graph, Node* gather, const OwnNumbers& own) {
  Node* reshape = gather->in[0];
  const auto joined = static_cast<size_t>(gather->int_attr("axis"));
  const auto product = product_behind(reshape, own.axis_of_numbers);
  if (!product) return;
  const Array columns = to_array(product->columns->value);
  const auto order = columns_by_distance(*gather->in[1], own, columns);
  if (!order) return;
  const int64_t numbers = std::ssize(*order);
  Node* weights = put_columns(graph, gather, columns, own.numbers, *order);
  Shape shape = product->matmul->in[1]->type.shape;
  shape.back() = numbers;
  weights = put_broadcast(graph, gather, weights, shape);
  Node* value = put(graph, gather, product->matmul, Op::MatMul, {product->matmul->in[0], weights});
  for (Node* move : product->moves) {
    Shape moved = move->type.shape;
    moved.back() = numbers;
    value = move->is(Op::Reshape) ? put_reshape(graph, gather, value, moved)
                                  : put(graph, gather, move, Op::Transpose, {value}, move->attrs);
  }
  shape = reshape->type.shape;
  shape[joined] = own.tokens * numbers;
  value = put_reshape(graph, gather, value, shape);
  graph.replace_uses(gather, put(graph, gather, gather, Op::Gather,
                                 {value, put_index(graph, gather, own)}, gather->attrs));
}

}  // namespace

std::optional<int> axis_of_own_numbers(const Node& index, int64_t tokens, int64_t numbers) {
  if (!index.is(Op::Constant) || !index.value.has_data()) return std::nullopt;
  const Shape& shape = index.type.shape;
  const Shape strides = row_major_strides(shape);
  for (size_t d = 0; d < shape.size(); ++d) {
    bool own = shape[d] == tokens;
    for (int64_t i = 0; own && i < elements(shape); ++i) {
      const auto found = static_cast<int64_t>(element(index.value, i));
      own = found >= 0 && found / numbers == i / strides[d] % tokens;
    }
    if (own) return static_cast<int>(d);
  }
  return std::nullopt;
}

std::optional<OwnNumbers> own_numbers(const Node& gather) {
  if (!gather.is(Op::Gather) || !gather.in[0]->is(Op::Reshape)) return std::nullopt;
  const Shape& before = gather.in[0]->in[0]->type.shape;
  const Shape& after = gather.in[0]->type.shape;
  const int64_t axis = gather.int_attr("axis"), joined = after[static_cast<size_t>(axis)];
  const int64_t outside = elements({after.begin(), after.begin() + axis});
  // Axes of size 1 come and go.
  std::vector<size_t> axes;
  int64_t passed = 1;
  for (size_t d = 0; d < before.size() && passed <= outside * joined; passed *= before[d++])
    if (passed >= outside && before[d] != 1) axes.push_back(d);
  if (axes.size() < 2 || before[axes[0]] < 1 || before[axes[0]] * before[axes[1]] != joined ||
      elements({before.begin(), before.begin() + static_cast<std::ptrdiff_t>(axes[0])}) != outside)
    return std::nullopt;
  OwnNumbers own{.tokens = before[axes[0]],
                 .numbers = before[axes[1]],
                 .axis_of_numbers = static_cast<int>(axes[1])};
  const auto found = axis_of_own_numbers(*gather.in[1], own.tokens, own.numbers);
  if (!found) return std::nullopt;
  own.axis = *found;
  return own;
}

void order_by_distance(Graph& graph) {
  std::vector<Node*> gathers;
  for (const auto& node : graph.nodes())
    if (node->is(Op::Gather)) gathers.push_back(node.get());
  for (Node* gather : gathers)
    if (const auto own = own_numbers(*gather)) order(graph, gather, *own);
  graph.remove_dead();
}

}  // namespace tessera
