// SPDX-License-Identifier: Apache-2.0
#include "passes/packed_positions.h"

#include <algorithm>
#include <map>
#include <vector>

#include "passes/match.h"

namespace tessera {
namespace {

class Lookups {
 public:
  Lookups(Graph& graph, Node* positions) : graph_(graph), positions_(positions) {}

  void look_up(const PlacedOperand& placed);

 private:
  Node* by_position(Node* value, int batch, int sequence, const Node* before);

  Graph& graph_;
  Node* positions_;
  // Layers share their angles.
  std::map<std::tuple<Node*, int, int>, Node*> made_;
};

Node* put_transpose(Graph& graph, const Node* before, Node* value,
                    const std::vector<int64_t>& perm) {
  if (std::ranges::is_sorted(perm)) return value;
  std::map<std::string, Attr> attrs;
  attrs.emplace("perm", perm);
  return put(graph, before, value, Op::Transpose, {value}, std::move(attrs));
}

// One row of the batch, as all are alike.
Node* put_first_row(Graph& graph, const Node* before, Node* value, int batch) {
  if (value->type.shape[batch] == 1) return value;
  Shape size = value->type.shape;
  size[batch] = 1;
  return put(graph, before, value, Op::Slice,
             {
                 value
  },
             {{"start", Shape(size.size(), 0)}, {"step", Shape(size.size(), 1)}, {"size", size}});
}

// The value, whose axes `batch` and `sequence` are 1 and the row length, for the tokens of a batch.
Node* Lookups::by_position(Node* value, int batch, int sequence, const Node* before) {
  value = put_first_row(graph_, before, value, batch);
  const auto rank = static_cast<int64_t>(value->type.shape.size());
  std::vector<int64_t> front = {sequence};
  for (int64_t d = 0; d < rank; ++d)
    if (d != sequence && d != batch) front.push_back(d);
  std::vector<int64_t> to_front = front;
  to_front.insert(to_front.begin() + 1, batch);
  Node* transposed = put_transpose(graph_, before, value, to_front);
  Shape table;
  for (int64_t axis : front) table.push_back(value->type.shape[axis]);
  Node* found = put(graph_, before, value, Op::Gather,
                    {
                        put_reshape(graph_, before, transposed, table), positions_
  },
                    {{"axis", int64_t{0}}});
  // [rows,row_length,others…], and back to the order of the value.
  front.insert(front.begin(), batch);
  std::vector<int64_t> back(static_cast<size_t>(rank));
  for (int64_t d = 0; d < rank; ++d) back[front[d]] = d;
  return put_transpose(graph_, before, found, back);
}

void Lookups::look_up(const PlacedOperand& placed) {
  Node* whole = placed.user->in[placed.operand];
  Node* value = whole;
  while (value->is(Op::Broadcast) && value->in[0]->type.shape.size() == whole->type.shape.size() &&
         value->in[0]->type.shape[placed.sequence] == whole->type.shape[placed.sequence])
    value = value->in[0];
  if (value->is(Op::Broadcast) && value->in[0]->type.shape.size() < whole->type.shape.size()) {
    Shape shape = value->in[0]->type.shape;
    shape.insert(shape.begin(), whole->type.shape.size() - shape.size(), 1);
    if (shape[placed.sequence] == whole->type.shape[placed.sequence])
      value = put_reshape(graph_, value, value->in[0], shape);
  }
  Node*& made = made_[{whole, placed.batch, placed.sequence}];
  if (!made) {
    Shape shape = whole->type.shape;
    shape[placed.batch] = positions_->type.shape[0];
    made = put_broadcast(graph_, placed.user,
                         by_position(value, placed.batch, placed.sequence, placed.user), shape);
  }
  graph_.set_operand(placed.user, placed.operand, made);
}

}  // namespace

Status look_up_positions(Graph& graph, const Node* ids, PackedAnchors& anchors) {
  const TokenShape shape{ids->type.shape[0], ids->type.shape[1], Layout::Packed};
  std::vector<PlacedOperand> placed;
  if (const auto axes = find_token_axes(graph, shape, &placed); !axes.ok()) return axes.error();
  if (placed.empty()) return {};
  Node* positions = nullptr;
  for (Node* input : graph.inputs)
    if (input->name == anchors.position_input) positions = input;
  if (!positions) {
    positions = graph.add_input("position_ids", ids->type);
    anchors.position_input = positions->name;
  }
  Lookups lookups(graph, positions);
  for (const PlacedOperand& operand : placed) lookups.look_up(operand);
  graph.remove_dead();
  return {};
}

}  // namespace tessera
