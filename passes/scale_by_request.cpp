// SPDX-License-Identifier: Apache-2.0
// A scale that a whole tensor makes while the model runs becomes one for each request of the batch.
//
// ONNX makes it of all numbers of the tensor, whatever they are for, so a request's answer would
// depend on what else is in its batch, and on padding. Here the ends of each token's numbers are
// taken, and of these the greatest over the tokens of a request, which its mask tells apart: what
// the request has alone. The values that are computed from them, up to where they are stretched
// over the tensor, are computed again with an element for each token. Kept only where the walk over
// tokens proves that rows are apart.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ir/attention_mask.h"
#include "passes/match.h"
#include "passes/packable.h"
#include "passes/paddable.h"
#include "passes/passes.h"
#include "passes/token_axes.h"

namespace tessera {
namespace {

// The scalars that are made of the ends of a tensor, and where they are stretched.
struct Region {
  Node* ends = nullptr;  // over all rows
  std::vector<Node*> inside, exits;
};

bool is_small(const Node* node) { return node->type.shape.size() <= 1; }

bool goes_on(const Node* node) {
  const bool known = node->is(Op::Slice) || node->is(Op::Reshape) || node->is(Op::Broadcast) ||
                     info(node->op).elementwise;
  return known && is_small(node);
}

bool takes_all_rows(const Node* node) {
  return node->is(Op::ReduceMax) && node->in[0]->is(Op::RowEnds) && is_small(node) &&
         node->type.shape == Shape{2};
}

std::optional<Region> region_of(Graph& graph, Node* ends) {
  Region region{.ends = ends, .inside = {}, .exits = {}};
  std::unordered_set<const Node*> seen{ends};
  std::vector<Node*> open{ends};
  while (!open.empty()) {
    Node* node = open.back();
    open.pop_back();
    if (graph.is_output(node)) return std::nullopt;
    for (Node* user : graph.users(node)) {
      if (!seen.insert(user).second) continue;
      if (goes_on(user)) {
        region.inside.push_back(user);
        open.push_back(user);
      } else if (user->is(Op::Broadcast)) {
        region.exits.push_back(user);
      } else {
        return std::nullopt;
      }
    }
  }
  return region;
}

// [1] for a scalar.
Shape listed(const Shape& shape) { return shape.empty() ? Shape{1} : shape; }

Shape joined(Shape a, const Shape& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// The sizes of the ids [rows,row_length] of one batch, and its mask or null.
struct Batch {
  int64_t rows, row_length;
  Node* mask;
};

class ByRequest {
 public:
  ByRequest(Graph& graph, const Batch& batch) : graph_(graph), batch_(batch) {}

  bool run(const Region& region) {
    Node* row_ends = region.ends->in[0];
    const Shape& shape = row_ends->in[0]->type.shape;
    by_token_ = is_by_token(shape) && batch_.mask;
    prefix_ = by_token_ ? Shape{batch_.rows, batch_.row_length} : Shape{batch_.rows};
    if (!is_by_token(shape) && (shape.size() < 2 || shape[0] != batch_.rows)) return false;
    for (const Node* exit : region.exits)
      if (!fits(exit->type.shape)) return false;
    made_[region.ends] = request_ends(row_ends, region.ends);
    remake(region);
    return true;
  }

 private:
  bool is_flat(const Shape& shape) const {
    return shape.size() == 2 && shape[0] == batch_.rows * batch_.row_length;
  }
  bool is_by_token(const Shape& shape) const {
    return is_flat(shape) ||
           (shape.size() >= 3 && shape[0] == batch_.rows && shape[1] == batch_.row_length);
  }
  bool fits(const Shape& to) const {
    if (is_by_token(to)) return true;
    return !by_token_ && to.size() >= 2 && to[0] == batch_.rows;
  }

  // Over the axes behind those of the prefix, up to the last.
  Node* greatest(Node* ends, const Node* before, size_t first) {
    std::vector<int64_t> axes;
    for (size_t axis = first; axis + 1 < ends->type.shape.size(); ++axis)
      axes.push_back(static_cast<int64_t>(axis));
    if (axes.empty()) return ends;
    return put(graph_, before, before == nullptr ? ends : before, Op::ReduceMax,
               {
                   ends
    },
               {{"axes", axes}});
  }

  Node* request_ends(Node* ends, const Node* before) {
    if (is_flat(ends->type.shape) && is_flat(ends->in[0]->type.shape) &&
        ends->type.shape[0] != batch_.rows)
      ends = put_reshape(graph_, before, ends, {batch_.rows, batch_.row_length, 2});
    if (!by_token_) return greatest(ends, before, 1);
    ends = greatest(ends, before, 2);
    return put(graph_, before, ends, Op::SegmentMax, {ends, batch_.mask});
  }

  void remake(const Region& region) {
    std::unordered_set<const Node*> inside(region.inside.begin(), region.inside.end());
    std::unordered_set<const Node*> exits(region.exits.begin(), region.exits.end());
    std::vector<Node*> in_order;
    for (const auto& node : graph_.nodes())
      if (inside.contains(node.get()) || exits.contains(node.get())) in_order.push_back(node.get());
    for (Node* node : in_order) {
      if (exits.contains(node))
        graph_.replace_uses(node, stretched(node));
      else
        made_[node] = again(node);
    }
  }

  Node* again(Node* node) {
    const Shape shape = joined(prefix_, listed(node->type.shape));
    if (node->is(Op::Reshape)) return put_reshape(graph_, node, made_.at(node->in[0]), shape);
    if (node->is(Op::Broadcast)) return put_broadcast(graph_, node, made_.at(node->in[0]), shape);
    if (node->is(Op::Slice)) {
      std::map<std::string, Attr> attrs;
      attrs["start"] = joined(Shape(prefix_.size(), 0), node->ints("start"));
      attrs["step"] = joined(Shape(prefix_.size(), 1), node->ints("step"));
      attrs["size"] = shape;
      return put(graph_, node, node, Op::Slice, {made_.at(node->in[0])}, attrs);
    }
    std::vector<Node*> in;
    for (Node* operand : node->in) {
      const auto found = made_.find(operand);
      in.push_back(found != made_.end() ? found->second
                                        : put_broadcast(graph_, node, operand, shape));
    }
    return put(graph_, node, node, node->op, in, node->attrs);
  }

  Node* stretched(Node* exit) {
    Node* value = made_.at(exit->in[0]);
    const Shape& to = exit->type.shape;
    const int64_t last = value->type.shape.back();
    if (is_flat(to) && to[0] != batch_.rows) {
      const Shape tokens{batch_.rows, batch_.row_length, last};
      if (!by_token_)
        value = put_broadcast(graph_, exit,
                              put_reshape(graph_, exit, value, {batch_.rows, 1, last}), tokens);
      value = put_reshape(graph_, exit, value, {to[0], last});
      return put_broadcast(graph_, exit, value, to);
    }
    Shape between = prefix_;
    while (between.size() + 1 < to.size()) between.push_back(1);
    between.push_back(last);
    return put_broadcast(graph_, exit, put_reshape(graph_, exit, value, between), to);
  }

  Graph& graph_;
  const Batch& batch_;
  bool by_token_ = false;
  Shape prefix_;
  std::unordered_map<const Node*, Node*> made_;
};

// The mask that attention hides keys by, which tells a request's tokens; null: none, or several.
Node* mask_of_keys(const Graph& graph, const Node* ids) {
  Node* mask = nullptr;
  for (const auto& node : graph.nodes()) {
    if (!node->is(Op::Attention)) continue;
    if (!attention_mask(node->string_attr("mask"))->has_keys()) continue;
    if (node->in[3]->type != ids->type || (mask && mask != node->in[3])) return nullptr;
    mask = node->in[3];
  }
  return mask;
}

// The input that the biases of attentions are made with; null: none, or several.
Node* mask_of_biases(const Graph& graph, const Node* ids) {
  const bool any = std::ranges::any_of(graph.nodes(), [](const auto& node) {
    return node->is(Op::Attention) && attention_mask(node->string_attr("mask"))->bias;
  });
  return any ? find_mask(graph, ids) : nullptr;
}

}  // namespace

Expected<bool> scale_by_request(Graph& graph, PassState&) {
  const Node* ids = find_ids(graph);
  if (!ids) return false;
  Graph changed = graph.clone();
  const Shape& batch = ids->type.shape;
  Node* of_keys = mask_of_keys(changed, ids);
  Node* of_biases = of_keys ? nullptr : mask_of_biases(changed, find_ids(changed));
  const Batch of{batch[0], batch[1], of_keys ? of_keys : of_biases};
  bool any = false;
  std::vector<Node*> found;
  for (const auto& node : changed.nodes())
    if (takes_all_rows(node.get())) found.push_back(node.get());
  for (Node* ends : found)
    if (const auto region = region_of(changed, ends))
      any = ByRequest(changed, of).run(*region) || any;
  if (!any) return false;
  changed.remove_dead();
  changed.sort();
  const TokenShape shape{.rows = of.rows, .row_length = of.row_length, .layout = Layout::Whole};
  if (!find_token_axes(changed, shape)) return false;
  if (of_biases) {  // it may be 1 where it hides
    const Paddable proof = prove_paddable(changed, "");
    if (!proof.by_tokens || proof.mask_hides) return false;
  }
  graph = std::move(changed);
  return true;
}

}  // namespace tessera
