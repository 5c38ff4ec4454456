// SPDX-License-Identifier: Apache-2.0
#include "compiler/lengths.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "compiler/onnx/import/import.h"
#include "passes/match.h"
#include "passes/packable.h"

namespace tessera {
namespace {

// The same inputs at another length. Nothing where the model declares the length itself.
Expected<InputShapes> with_length(int64_t length, const Graph& graph, const Node& ids,
                                  const std::string& model_path, const CompileOptions& options) {
  InputShapes shapes;
  bool is_free = false;
  const auto declared = TRY(declared_model_inputs(model_path, options.limits));
  for (const Node* input : graph.inputs) {
    Shape& shape = shapes[input->name] = input->type.shape;
    if (shape != ids.type.shape) continue;
    shape[1] = length;
    for (const DeclaredInput& one : declared)
      is_free = is_free || (one.name == input->name && one.shape.size() == 2 && one.shape[1] < 0);
  }
  if (!is_free) shapes.clear();
  return shapes;
}

// Whether a constant that follows the length holds the same numbers as far as both go.
bool begins_alike(const Tensor& longer, const Tensor& shorter) {
  if (longer.type() == shorter.type()) return longer == shorter;
  const Shape &a = longer.type().shape, &b = shorter.type().shape;
  if (a.size() != b.size() || longer.type().dtype != shorter.type().dtype) return false;
  for (size_t d = 0; d < a.size(); ++d)
    if (b[d] > a[d]) return false;
  const Shape outer = row_major_strides(a), inner = row_major_strides(b);
  for (int64_t i = 0; i < elements(b); ++i) {
    int64_t at = 0;
    for (size_t d = 0; d < b.size(); ++d) at += i / inner[d] % b[d] * outer[d];
    const double x = element(longer, at), y = element(shorter, i);
    if (x != y && !(x != x && y != y)) return false;
  }
  return true;
}

std::string first_difference(const Graph& graph, int64_t length, const Graph& other,
                             int64_t other_length) {
  const std::string of_graph =
      fmt::format("its graph is another at {} tokens than at {}", other_length, length);
  if (graph.nodes().size() != other.nodes().size()) return of_graph;
  std::unordered_map<const Node*, const Node*> twin;
  const UserMap users = users_of(graph);
  for (auto a = graph.nodes().begin(), b = other.nodes().begin(); a != graph.nodes().end();
       ++a, ++b) {
    const Node &node = **a, &same = **b;
    twin[&node] = &same;
    bool alike = node.op == same.op && node.in.size() == same.in.size();
    for (size_t i = 0; alike && i < node.in.size(); ++i) alike = twin.at(node.in[i]) == same.in[i];
    if (!alike) return of_graph;
    if (!node.is(Op::Constant)) continue;
    if (length > other_length ? begins_alike(node.value, same.value)
                              : begins_alike(same.value, node.value))
      continue;
    const Node* user = &node;
    for (auto of = users.find(user); of != users.end() && (user == &node || is_view(user));
         of = users.find(user))
      user = of->second.front();
    const bool is_number = elements(node.type.shape) == 1 && elements(same.type.shape) == 1;
    return called(*user) + ": uses a number that is made of the row length" +
           (is_number ? fmt::format(" ({:g} at {} tokens, {:g} at {})", element(node.value, 0),
                                    length, element(same.value, 0), other_length)
                      : "") +
           ", which is another for a shorter request";
  }
  return "";
}

}  // namespace

Expected<std::string> number_of_length(const Graph& graph, const std::string& model_path,
                                       const CompileOptions& options, const Deadline& deadline) {
  const Node* ids = find_ids(graph);
  if (!ids || ids->type.shape[1] < 2) return std::string();
  const int64_t length = ids->type.shape[1];
  // At one token a broadcast may be none.
  const int64_t other_length = length > 2 ? length - 1 : length + 1;
  const InputShapes shapes = TRY(with_length(other_length, graph, *ids, model_path, options));
  if (shapes.empty()) return std::string();
  const auto other = import_onnx(model_path, shapes, options.limits, &deadline);
  if (!other.ok() && other.error().kind == ErrorKind::Refused) return other.error();
  if (!other.ok()) return std::string();
  return first_difference(graph, length, other->graph, other_length);
}

}  // namespace tessera
