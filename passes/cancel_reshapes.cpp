// SPDX-License-Identifier: Apache-2.0
// A reshape of a reshape is one, and none when the shape is there already.
//
// Exporters flatten tokens before a matmul and restore them after it; TensorFlow's do so for every
// linear map. Row-major order is all that a reshape keeps, so only the last one says anything.
//
// A transpose between two reshapes, of which the first joins leading axes and the second takes them
// apart again, is a transpose alone: PyTorch's exporter transposes the keys of all heads so. One
// that takes channels apart which a transpose put before the tokens does so before the transpose:
// the heads behind a convolution are told from each other so.
//
// A lookup by flattened indices whose rows are put back into the shape of the indices is a lookup
// by these. Exporters look a number up so for each two tokens (LayoutLMv3).
#include <algorithm>
#include <numeric>
#include <vector>

#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {
namespace {

// `node` may be a reshape that splits the first axis of a transpose, which keeps that axis first
// and reads a reshape itself. Then one transpose does the same: this is its perm, over the axes of
// `node`. Empty if `node` is anything else.
std::vector<int64_t> transposed_behind_joined_axes(const Node* node) {
  const Node* transpose = node->in[0];
  if (!transpose->is(Op::Transpose) || !transpose->in[0]->is(Op::Reshape)) return {};
  const Shape &transposed = transpose->type.shape, &split = node->type.shape;
  const std::vector<int64_t>& perm = transpose->ints("perm");
  if (transposed.empty() || split.size() < transposed.size() || perm[0] != 0) return {};
  const auto more = std::ssize(split) - std::ssize(transposed);
  if (!std::equal(transposed.begin() + 1, transposed.end(), split.begin() + more + 1)) return {};
  std::vector<int64_t> result(split.size());
  std::iota(result.begin(), result.end(), 0);
  for (size_t d = 1; d < perm.size(); ++d) result[static_cast<size_t>(more) + d] = perm[d] + more;
  return result;
}

// `node` may split axis 1 of a [b,s,c] that became [b,c,s]: the perm that does the same behind a
// reshape of [b,s,c] to [b,s,h,d]. Empty if it is anything else.
std::vector<int64_t> transposed_behind_split_channels(const Node* node) {
  const Node* transpose = node->in[0];
  const bool swaps =
      transpose->is(Op::Transpose) && transpose->ints("perm") == std::vector<int64_t>{0, 2, 1};
  if (!swaps || node->type.shape.size() != 4) return {};
  const Shape &transposed = transpose->type.shape, &split = node->type.shape;
  if (split[0] != transposed[0] || split[3] != transposed[2]) return {};
  return {0, 2, 3, 1};
}

// The shape of the indices by which a lookup gives `node`, which reshapes what is looked up by
// indices of another shape; empty if it is anything else.
Shape shape_of_indices(const Node* node) {
  const Node* lookup = node->in[0];
  if (!lookup->is(Op::Gather)) return {};
  const Shape &table = lookup->in[0]->type.shape, &found = node->type.shape;
  const auto axis = table.begin() + lookup->int_attr("axis");
  const auto before = axis - table.begin(), behind = table.end() - axis - 1;
  if (std::ssize(found) < before + behind) return {};
  if (!std::equal(table.begin(), axis, found.begin())) return {};
  if (!std::equal(axis + 1, table.end(), found.end() - behind)) return {};
  return {found.begin() + before, found.end() - behind};
}

// The indices that were flattened to those of the lookup, or constant ones; null if
// `node` is not a lookup by such, put back into their shape.
Node* indices_as_they_were(Graph& graph, const Node* node) {
  const Shape shape = shape_of_indices(node);
  if (shape.empty()) return nullptr;
  Node* indices = node->in[0]->in[1];
  if (indices->is(Op::Reshape) && indices->in[0]->type.shape == shape) return indices->in[0];
  if (!indices->is(Op::Constant) || !indices->value.has_data()) return nullptr;
  if (elements(shape) == 1) return nullptr;  // a part of the table, whatever the shape
  Array array = to_array(indices->value);
  array.type.shape = shape;
  return graph.add_constant(indices->name, to_tensor(array), node);
}

// A reshape of `source`, and a transpose of that, which do what `node` does.
void put_transposed_last(Graph& graph, Node* node, Node* source, const std::vector<int64_t>& perm) {
  Shape before(perm.size());
  for (size_t d = 0; d < perm.size(); ++d)
    before[static_cast<size_t>(perm[d])] = node->type.shape[d];
  Node* value = put_reshape(graph, node, source, before);
  graph.replace_uses(node, put(graph, node, node, Op::Transpose,
                               {
                                   value
  },
                               {{"perm", perm}}));
}

}  // namespace

Expected<bool> cancel_reshapes(Graph& graph, PassState&) {
  bool changed = false;
  for (const auto& owned : graph.nodes()) {
    Node* node = owned.get();
    if (!node->is(Op::Reshape)) continue;
    while (node->in[0]->is(Op::Reshape)) {
      graph.set_operand(node, 0, node->in[0]->in[0]);
      changed = true;
    }
    if (const auto perm = transposed_behind_joined_axes(node); !perm.empty()) {
      put_transposed_last(graph, node, node->in[0]->in[0]->in[0], perm);
      changed = true;
      continue;
    }
    if (const auto perm = transposed_behind_split_channels(node); !perm.empty()) {
      put_transposed_last(graph, node, node->in[0]->in[0], perm);
      changed = true;
      continue;
    }
    if (Node* indices = indices_as_they_were(graph, node)) {
      const Node* lookup = node->in[0];
      graph.replace_uses(
          node, put(graph, node, lookup, Op::Gather, {lookup->in[0], indices}, lookup->attrs));
      changed = true;
      continue;
    }
    if (node->in[0]->type != node->type) continue;
    graph.replace_uses(node, node->in[0]);
    changed = true;
  }
  return changed;
}

}  // namespace tessera
