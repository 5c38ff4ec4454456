// SPDX-License-Identifier: Apache-2.0
// A matmul of two values that were quantized multiplies their bytes.
//
// QDQ models write it as quantize, dequantize and a matmul of floats. That is the sum of the
// products of whole numbers, times both scales, where a scale is one for all, for each row of the
// left side or for each column of the right. Before constants are folded: weights stay bytes.
#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {
namespace {

// Numbers of a matrix [..,rows,columns] that are equal along all its axes but perhaps one.
struct Numbers {
  Node* source = nullptr;  // a scalar, or a list
  std::optional<size_t> axis;
};

// The numbers of a value that is stretched to its shape, and perhaps transposed after that.
std::optional<Numbers> numbers_of(Node* node) {
  if (node->is(Op::Transpose)) {
    const std::vector<int64_t>& perm = node->ints("perm");
    std::optional<Numbers> numbers = numbers_of(node->in[0]);
    if (!numbers || !numbers->axis) return numbers;
    for (size_t i = 0; i < perm.size(); ++i) {
      if (static_cast<size_t>(perm[i]) != *numbers->axis) continue;
      numbers->axis = i;
      return numbers;
    }
  }
  const bool is_one = elements(node->type.shape) == 1;
  if (is_one) return Numbers{node, std::nullopt};
  if (node->is(Op::Constant) && splat(node)) return Numbers{node, std::nullopt};
  if (!node->is(Op::Broadcast)) return std::nullopt;
  Node* source = node->in[0];
  const Shape& from = source->type.shape;
  Numbers numbers{source, std::nullopt};
  for (size_t d = 0; d < from.size(); ++d) {
    if (from[d] == 1) continue;
    if (numbers.axis) return std::nullopt;
    numbers.axis = d + node->type.shape.size() - from.size();
  }
  return numbers;
}

// A side of the product: bytes, with a scale and a zero point that are one for all, or one for each
// place of `axis`, counted from the end.
struct Side {
  Node *bytes, *scale, *zero;
};

bool fits(const std::optional<Numbers>& numbers, size_t rank, size_t from_back) {
  return numbers && (!numbers->axis || *numbers->axis + from_back == rank);
}

std::optional<Side> side_of(Graph& graph, Node* user, Node* value, size_t from_back) {
  Node* transpose = value->is(Op::Transpose) ? value : nullptr;
  Node* from = transpose ? transpose->in[0] : value;
  if (!from->is(Op::Dequantize) || !is_byte(from->in[0]->type.dtype)) return std::nullopt;
  Side side{from->in[0], from->in[1], from->in[2]};
  if (transpose)
    for (Node** node : {&side.bytes, &side.scale, &side.zero})
      *node = put(graph, user, *node, Op::Transpose, {*node}, transpose->attrs);
  const size_t rank = value->type.shape.size();
  if (fits(numbers_of(side.scale), rank, from_back) && fits(numbers_of(side.zero), rank, from_back))
    return side;
  return std::nullopt;
}

// The numbers as a scalar, or as a list along the axis that is so far from the back.
Node* listed(Graph& graph, const Node* before, Node* value, size_t rank, size_t from_back) {
  const Numbers numbers = *numbers_of(value);
  Node* source = numbers.source;
  if (!numbers.axis && elements(source->type.shape) != 1)
    return put_splat(graph, before, source->type.dtype, *splat(source), {});
  if (!numbers.axis) return put_reshape(graph, before, source, {});
  Shape list(rank, 1);
  list[rank - from_back] = elements(source->type.shape);
  return put_reshape(graph, before, source, list);
}

// With as few elements as it may have, stretched to what the matmul makes.
Node* product_of_lists(Graph& graph, Node* matmul, Node* a, Node* b) {
  const Shape& shape = matmul->type.shape;
  Shape of = shape;
  if (elements(a->type.shape) == 1) of = b->type.shape;
  if (elements(b->type.shape) == 1) of = a->type.shape;
  Node* product = put(graph, matmul, matmul, Op::Mul,
                      {put_broadcast(graph, matmul, a, of), put_broadcast(graph, matmul, b, of)});
  return put_broadcast(graph, matmul, product, shape);
}

bool rewrite(Graph& graph, Node* matmul) {
  const auto a = side_of(graph, matmul, matmul->in[0], 2);
  if (!a) return false;
  const auto b = side_of(graph, matmul, matmul->in[1], 1);
  const Shape a_shape = matmul->in[0]->type.shape, b_shape = matmul->in[1]->type.shape;
  constexpr int64_t kMostTerms = INT32_MAX / (255 * 255);
  if (!b || a_shape.back() > kMostTerms) return false;
  Shape rows = a_shape, columns = b_shape;
  rows.back() = 1;
  columns[columns.size() - 2] = 1;
  Node* a_zero = put_broadcast(graph, matmul, listed(graph, matmul, a->zero, rows.size(), 2), rows);
  Node* b_zero =
      put_broadcast(graph, matmul, listed(graph, matmul, b->zero, columns.size(), 1), columns);
  Node* sum = put(graph, matmul, matmul, Op::MatMulInteger, {a->bytes, b->bytes, a_zero, b_zero});
  Node* as_float = put(graph, matmul, matmul, Op::Cast,
                       {
                           sum
  },
                       {{"to", std::string("f32")}});
  Node* a_list = listed(graph, matmul, a->scale, rows.size(), 2);
  Node* b_list = listed(graph, matmul, b->scale, columns.size(), 1);
  Node* scale = product_of_lists(graph, matmul, a_list, b_list);
  graph.replace_uses(matmul, put(graph, matmul, matmul, Op::Mul, {as_float, scale}));
  return true;
}

}  // namespace

Expected<bool> fuse_integer_matmul(Graph& graph, PassState&) {
  std::vector<Node*> found;
  for (const auto& node : graph.nodes())
    if (node->is(Op::MatMul) && node->type.dtype == DType::F32) found.push_back(node.get());
  bool any = false;
  for (Node* matmul : found) any = rewrite(graph, matmul) || any;
  return any;
}

}  // namespace tessera
