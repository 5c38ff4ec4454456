// SPDX-License-Identifier: Apache-2.0
// The words in which rewrites say what they look for: a value that is one number everywhere, a
// product of factors, a value behind its broadcasts. And how they add nodes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/graph.h"

namespace tessera {

// How many nodes, one behind another, a pattern looks through: more than any exporter stacks, and
// few enough that a pass stays linear in the graph.
inline constexpr int kFarthest = 64;
// How many products and quotients a product is taken apart into.
inline constexpr int kMostProducts = 16;

// Element i of a tensor with data, as a double.
double element(const Tensor& tensor, int64_t i);
// The one value of every element, if there is one.
std::optional<double> uniform_value(const Tensor& tensor);

// The number that fills this value: a constant of equal elements behind any reshapes, broadcasts
// and casts to f32 of floats: those to f16 round it.
std::optional<double> splat(const Node* node);
// A reshape, transpose or broadcast is a view: it moves values without computing.
bool is_view(const Node* node);
// Products of matrices of floats, and of those of 8 bits.
inline bool is_float_matmul(const Node* node) {
  return node->is(Op::MatMul) || node->is(Op::MatMulFp8);
}
Node* behind_broadcasts(Node* node);
// The source of a chain of broadcasts and reshapes.
Node* behind_views(Node* node);
// The vector that a value repeats along every axis but its last: a node of that many elements, its
// last axis as long. Null if there is none.
Node* repeated_vector(Node* node);

// The other operand of a node with two, in either order: the one beside that for which `first`
// holds.
Node* other_operand(const Node* node, const std::function<bool(Node*)>& first);

// A product taken apart through mul, and through div by one number: scale times the factors.
// `stop` stays whole, and so is what lies behind kMostProducts.
struct Factors {
  double scale = 1;
  std::vector<Node*> factors;
};
Factors product_of(Node* node, const Node* stop = nullptr);
// Just the numbers taken off: node is scale times value.
struct Scaled {
  double scale = 1;
  Node* value = nullptr;
};
Scaled peel_scale(Node* node);

bool close(double a, double b, double relative);
// NaN is the same as itself, and -0 is not 0.
bool same_bits(double a, double b);

// The machine's result for these operands: as the interpreter's, but a float that 32 bits do not
// hold is cast to the nearest number that they do, and NaN to 0 (docs/ir.md).
Expected<Array> eval_as_machine(const Node& node, std::vector<Array> in);

// The users of each node, in the graph's order: one walk for a whole pass.
using UserMap = std::unordered_map<const Node*, std::vector<Node*>>;
UserMap users_of(const Graph& graph);

// Adds a node whose operands we know to fit, before `before` (null: at the end), with the origin
// of `like`.
Node* put(Graph& graph, const Node* before, const Node* like, Op op, std::vector<Node*> in,
          std::map<std::string, Attr> attrs = {});
Node* put_reshape(Graph& graph, const Node* before, Node* value, const Shape& shape);
Node* put_broadcast(Graph& graph, const Node* before, Node* value, const Shape& shape);
Node* put_splat(Graph& graph, const Node* before, DType dtype, double value, const Shape& shape);

// "node 'NAME' (op)": the ONNX node that it came from where there is one, for messages.
std::string called(const Node& node);

}  // namespace tessera
