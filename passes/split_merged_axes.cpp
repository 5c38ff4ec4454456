// SPDX-License-Identifier: Apache-2.0
#include "passes/split_merged_axes.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "passes/match.h"
#include "passes/token_axes.h"

namespace tessera {
namespace {

// A value whose axis d is made of the axes parts[d] of `node`, in order.
struct Split {
  Node* node = nullptr;
  std::vector<Shape> parts;

  bool is_split() const {
    return std::ranges::any_of(parts, [](const Shape& axis) { return axis.size() > 1; });
  }
};

Shape flat(const std::vector<Shape>& parts) {
  Shape shape;
  for (const Shape& axis : parts) shape.insert(shape.end(), axis.begin(), axis.end());
  return shape;
}

int64_t product(const Shape& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
}

std::vector<Shape> whole(const Shape& shape) {
  std::vector<Shape> parts;
  for (const int64_t size : shape) parts.push_back({size});
  return parts;
}

class Splitting {
 public:
  Splitting(Graph& graph, int64_t rows) : graph_(graph), rows_(rows) {}
  void run();

 private:
  Split of(Node* value) const;
  void visit(Node* node);
  std::optional<Split> reshaped(Node* node);
  std::optional<Split> transposed(Node* node);
  std::optional<Split> broadcast(Node* node);
  std::optional<Split> in_step(Node* node);
  std::optional<Split> multiplied(Node* node);
  std::optional<Split> along_an_axis(Node* node);
  // The value with these parts, where it has them or is one number or has no parts of its own.
  Node* with_parts(Node* value, const std::vector<Shape>& parts, const Node* before);
  Node* repeated_row(const Node* value, const std::vector<Shape>& parts, const Node* before);
  Node* stretched(const Node* value, const std::vector<Shape>& parts, const Node* before);
  // The same with some of its axes in one.
  Split joined(Split split, const std::vector<bool>& axes, const Node* before);
  Node* made(Node* node, std::vector<Node*> in, std::map<std::string, Attr> attrs) {
    Node* result = put(graph_, node, node, node->op, std::move(in), std::move(attrs));
    if (result->origin.empty()) result->origin = {node->name};
    return result;
  }

  Graph& graph_;
  const int64_t rows_;
  std::unordered_map<const Node*, Split> split_;  // of those that are
};

Split Splitting::of(Node* value) const {
  const auto found = split_.find(value);
  return found == split_.end() ? Split{value, whole(value->type.shape)} : found->second;
}

Split Splitting::joined(Split split, const std::vector<bool>& axes, const Node* before) {
  bool changes = false;
  for (size_t d = 0; d < split.parts.size(); ++d) {
    if (!axes[d] || split.parts[d].size() == 1) continue;
    split.parts[d] = {product(split.parts[d])};
    changes = true;
  }
  if (changes) split.node = put_reshape(graph_, before, split.node, flat(split.parts));
  return split;
}

// A constant that is the same for each of the rows that its first axis holds: one of them.
Node* Splitting::repeated_row(const Node* value, const std::vector<Shape>& parts,
                              const Node* before) {
  if (!value->is(Op::Constant) || !value->value.has_data() || parts[0].size() < 2) return nullptr;
  const std::span<const std::byte> bytes = value->value.bytes();
  const size_t row = bytes.size() / static_cast<size_t>(parts[0][0]);
  for (size_t at = row; at < bytes.size(); at += row)
    if (!std::ranges::equal(bytes.subspan(at, row), bytes.first(row))) return nullptr;
  TensorType type{value->type.dtype, flat(parts)};
  type.shape[0] = 1;
  return graph_.add_constant(value->name, Tensor::copy(type, bytes.first(row)), before);
}

// A value that was stretched, stretched to these parts: it stays the same number along each of
// them.
Node* Splitting::stretched(const Node* value, const std::vector<Shape>& parts, const Node* before) {
  if (!value->is(Op::Broadcast)) return nullptr;
  Node* one = value->in[0];
  const Shape &from = one->type.shape, &to = value->type.shape;
  const size_t added = to.size() - from.size();
  Shape shape;
  for (size_t d = 0; d < from.size(); ++d) {
    const Shape& part = parts[added + d];
    if (from[d] == to[added + d])
      shape.insert(shape.end(), part.begin(), part.end());
    else
      shape.insert(shape.end(), part.size(), 1);
  }
  return put_broadcast(graph_, before, put_reshape(graph_, before, one, shape), flat(parts));
}

Node* Splitting::with_parts(Node* value, const std::vector<Shape>& parts, const Node* before) {
  const Split split = of(value);
  if (split.parts == parts) return split.node;
  const Shape shape = flat(parts);
  if (Node* row = repeated_row(value, parts, before))
    return put_broadcast(graph_, before, row, shape);
  if (const std::optional<double> number = splat(value))
    return put_splat(graph_, before, value->type.dtype, *number, shape);
  if (Node* made = split.is_split() ? nullptr : stretched(value, parts, before)) return made;
  return put_reshape(graph_, before, split.node, shape);
}

// Runs of axes that stand for the same elements before and after.
struct Run {
  size_t from = 0, from_end = 0, to = 0, to_end = 0;
};

std::vector<Run> runs_of(const Shape& before, const Shape& after) {
  std::vector<Run> runs(1);
  size_t i = 0, j = 0;
  while (i < before.size() && j < after.size()) {
    const Run run{i, i, j, j};
    int64_t a = before[i++], b = after[j++];
    while (a != b && (a < b ? i < before.size() : j < after.size())) {
      if (a < b)
        a *= before[i++];
      else
        b *= after[j++];
    }
    if (run.from > 0) runs.push_back(run);
    runs.back().from_end = i;
    runs.back().to_end = j;
  }
  // The axes that are left are of size 1.
  runs.back().from_end = before.size();
  runs.back().to_end = after.size();
  return runs;
}

// Axes as runs of `sizes`, each of them whole; but of what stands behind `rows` the front and then
// the rest: 4 rows of channels [4,32] are rows with heads and their channels, [4·4,8].
std::optional<std::vector<Shape>> divided(Shape sizes, std::span<const int64_t> axes,
                                          int64_t rows) {
  std::vector<Shape> parts;
  size_t at = 0;
  for (const int64_t axis : axes) {
    Shape& part = parts.emplace_back();
    int64_t size = 1;
    while (size < axis && at < sizes.size()) {
      int64_t taken = sizes[at];
      if (size == rows && size * taken > axis) taken = axis / size;
      if (sizes[at] % taken != 0) return std::nullopt;
      sizes[at] /= taken;
      size *= taken;
      if (taken != 1) part.push_back(taken);
      if (sizes[at] != 1) break;
      ++at;
    }
    if (size != axis) return std::nullopt;
    if (part.empty()) part.push_back(1);
  }
  return parts;
}

std::optional<Split> Splitting::reshaped(Node* node) {
  Split from = of(node->in[0]);
  const Shape& before = node->in[0]->type.shape;
  const Shape& after = node->type.shape;
  std::vector<Shape> parts;
  std::vector<bool> join(before.size(), false);
  for (const Run& run : runs_of(before, after)) {
    Shape sizes;
    for (size_t d = run.from; d < run.from_end; ++d)
      sizes.insert(sizes.end(), from.parts[d].begin(), from.parts[d].end());
    const std::span axes(after.begin() + run.to, after.begin() + run.to_end);
    if (const auto divides = divided(sizes, axes, rows_)) {
      parts.insert(parts.end(), divides->begin(), divides->end());
      continue;
    }
    std::fill(join.begin() + run.from, join.begin() + run.from_end, true);
    for (const int64_t size : axes) parts.push_back({size});
  }
  const bool splits = std::ranges::any_of(parts, [](const Shape& axis) { return axis.size() > 1; });
  if (!splits && !from.is_split()) return std::nullopt;
  from = joined(std::move(from), join, node);
  const Shape shape = flat(parts);
  if (from.node->type.shape == shape) return Split{from.node, parts};
  return Split{
      made(node, {from.node       },
       {{"shape", shape}}
       ), parts
  };
}

std::optional<Split> Splitting::transposed(Node* node) {
  const Split from = of(node->in[0]);
  std::vector<int64_t> first(from.parts.size(), 0), perm;
  for (size_t d = 1; d < first.size(); ++d) first[d] = first[d - 1] + std::ssize(from.parts[d - 1]);
  std::vector<Shape> parts;
  for (const int64_t axis : node->ints("perm")) {
    const auto d = static_cast<size_t>(axis);
    parts.push_back(from.parts[d]);
    for (int64_t i = 0; i < std::ssize(from.parts[d]); ++i) perm.push_back(first[d] + i);
  }
  return Split{
      made(node, {from.node     },
       {{"perm", perm}}
       ), parts
  };
}

std::optional<Split> Splitting::broadcast(Node* node) {
  const Split from = of(node->in[0]);
  const Shape &before = node->in[0]->type.shape, &after = node->type.shape;
  const size_t added = after.size() - before.size();
  std::vector<Shape> parts = whole(after);
  for (size_t d = 0; d < before.size(); ++d)
    if (before[d] == after[added + d]) parts[added + d] = from.parts[d];
  return Split{put_broadcast(graph_, node, from.node, flat(parts)), parts};
}

std::optional<Split> Splitting::in_step(Node* node) {
  for (Node* in : node->in)
    if (const Split split = of(in); split.is_split()) {
      std::vector<Node*> operands;
      for (Node* operand : node->in) operands.push_back(with_parts(operand, split.parts, node));
      return Split{made(node, operands, node->attrs), split.parts};
    }
  return std::nullopt;
}

// Rows and leading axes; the axis that is summed over is one.
std::optional<Split> Splitting::multiplied(Node* node) {
  const size_t rank = node->type.shape.size();
  Split a = of(node->in[0]), b = of(node->in[1]);
  std::vector<bool> last(rank, false);
  last[rank - 1] = true;
  a = joined(std::move(a), last, node);
  const Shape& shape = node->in[1]->type.shape;
  std::vector<Shape> parts = a.parts;
  parts.back() = {node->type.shape.back()};
  const Shape matrix(shape.end() - 2, shape.end());
  if (product(shape) == product(matrix)) {  // one matrix for all
    Node* weights = put_reshape(graph_, node, of(node->in[1]).node, matrix);
    return Split{made(node, {a.node, weights}, {}), parts};
  }
  if (shape.size() != rank || rank < 3) return std::nullopt;
  last[rank - 2] = true;
  a = joined(std::move(a), last, node);
  b = joined(std::move(b), last, node);
  const Split& leading = a.is_split() ? a : b;
  if (!leading.is_split()) return std::nullopt;
  const auto in_step = [&](Node* value, const Split& split) {
    std::vector<Shape> wanted = leading.parts;
    for (const size_t d : {rank - 2, rank - 1}) wanted[d] = split.parts[d];
    if (split.parts == wanted) return split.node;
    return split.node == value ? with_parts(value, wanted, node)
                               : put_reshape(graph_, node, split.node, flat(wanted));
  };
  Node* left = in_step(node->in[0], a);
  Node* right = in_step(node->in[1], b);
  parts = leading.parts;
  parts[rank - 2] = a.parts[rank - 2];
  parts[rank - 1] = b.parts[rank - 1];
  return Split{made(node, {left, right}, {}), parts};
}

// Softmax and lookups: along an axis that is one.
std::optional<Split> Splitting::along_an_axis(Node* node) {
  const auto axis = static_cast<size_t>(node->int_attr("axis"));
  std::vector<bool> join(node->in[0]->type.shape.size(), false);
  join[axis] = true;
  const Split from = joined(of(node->in[0]), join, node);
  int64_t at = 0;
  for (size_t d = 0; d < axis; ++d) at += std::ssize(from.parts[d]);
  std::vector<Node*> in = {from.node};
  std::vector<Shape> parts = from.parts;
  if (node->is(Op::Gather)) {
    if (of(node->in[1]).is_split()) return std::nullopt;
    in.push_back(node->in[1]);
    parts.clear();
    for (size_t d = 0; d < from.parts.size(); ++d) {
      if (d != axis)
        parts.push_back(from.parts[d]);
      else
        for (const int64_t size : node->in[1]->type.shape) parts.push_back({size});
    }
  }
  return Split{
      made(node, in, {{"axis", at}}
        ), parts
  };
}

void Splitting::visit(Node* node) {
  const bool any = std::ranges::any_of(node->in, [&](Node* in) { return split_.contains(in); });
  if (!any && !node->is(Op::Reshape)) return;
  std::optional<Split> split;
  if (node->is(Op::Reshape))
    split = reshaped(node);
  else if (node->is(Op::Transpose))
    split = transposed(node);
  else if (node->is(Op::Broadcast))
    split = broadcast(node);
  else if (node->is(Op::MatMul))
    split = multiplied(node);
  else if (node->is(Op::Softmax) || node->is(Op::Gather))
    split = along_an_axis(node);
  else if (info(node->op).elementwise)
    split = in_step(node);
  if (split && split->is_split()) {
    split_[node] = *split;
    return;
  }
  if (split) {
    graph_.replace_uses(node, split->node);
    return;
  }
  for (size_t i = 0; i < node->in.size(); ++i)
    if (const Split in = of(node->in[i]); in.is_split())
      graph_.set_operand(node, i, put_reshape(graph_, node, in.node, node->in[i]->type.shape));
}

void Splitting::run() {
  std::vector<Node*> all;
  for (const auto& node : graph_.nodes()) all.push_back(node.get());
  for (Node* node : all) visit(node);
  for (size_t i = 0; i < graph_.outputs.size(); ++i) {
    Node* output = graph_.outputs[i].node;
    const Split split = of(output);
    if (!split.is_split()) continue;
    Node* joined = put_reshape(graph_, nullptr, split.node, output->type.shape);
    joined->origin = output->origin.empty() ? std::vector{output->name} : output->origin;
    graph_.outputs.set(i, joined);
  }
  graph_.remove_dead();
}

}  // namespace

void split_merged_axes(Graph& graph, int64_t rows) { Splitting(graph, rows).run(); }

void split_merged_rows(Graph& graph, const Node* ids) {
  const TokenShape shape{ids->type.shape[0], ids->type.shape[1], Layout::Whole};
  if (find_token_axes(graph, shape).ok()) return;
  Graph split = graph.clone();
  split_merged_axes(split, shape.rows);
  if (find_token_axes(split, shape).ok()) split_merged_axes(graph, shape.rows);
}

}  // namespace tessera
