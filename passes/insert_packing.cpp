// SPDX-License-Identifier: Apache-2.0
// Form A of packing: requests stand end to end in the rows of a batch, and one may continue on the
// next row. unpack gives each request a row of its own before attention, pack lays them end to end
// again after it, and outputs leave unpacked.
//
// Everything else runs on the packed tokens, where no row is padding. Attention runs over
// max_valid_num rows of segment_max_size and is told their lengths by the input unpack_info; the
// mask input stays in the contract, as PopRT's callers send it. What a pooler makes of the first
// token of each row becomes one row per request: those nodes are made again with one row per
// request.
#include <map>
#include <unordered_map>

#include "ir/attention_mask.h"
#include "passes/match.h"
#include "passes/packable.h"
#include "passes/packed_masks.h"
#include "passes/passes.h"

namespace tessera {
namespace {

using Kind = TokenAxes::Kind;

Status check_number(const char* name, int64_t value, int64_t most, const char* why) {
  if (value >= 1 && value <= most) return {};
  return Error{"pack_args: " + std::string(name) + " is " + std::to_string(value) +
                   ", must be within 1 .. " + std::to_string(most) + ", " + why,
               ErrorKind::Usage};
}

class Packing {
 public:
  Packing(Graph& graph, const Packable& model, const PassOptions& options, Node* info)
      : graph_(graph), model_(model), options_(options), info_(info) {}

  Status make_rows_requests();
  void unpack_outputs(PassState& state);
  void pack_around(Node* attention);

 private:
  const TokenAxes& axes(const Node* node) const { return model_.axes.at(node); }
  Node* put_unpack(Node* value, const Node* before);
  Expected<Node*> first_of_requests(Node* node);
  void make_again(Node* node);
  Node* stretched_again(Node* free, size_t axis, const Node* before);

  Graph& graph_;
  const Packable& model_;
  const PassOptions& options_;
  Node* info_;
  std::unordered_map<const Node*, Node*> again_;  // of a value by row: the same by request
};

Node* Packing::put_unpack(Node* value, const Node* before) {
  return put(graph_, before, value, Op::Unpack,
             {
                 value, info_
  },
             {{"segment_max_size", options_.segment_max_size}});
}

// The values by row are few and small: made again for max_valid_num rows, from the first token of
// each request.
Status Packing::make_rows_requests() {
  std::vector<Node*> by_row;
  for (const auto& node : graph_.nodes())
    if (node.get() != info_ && axes(node.get()).kind == Kind::Row) by_row.push_back(node.get());
  for (Node* node : by_row) {
    if (axes(node->in[0]).kind == Kind::Token)
      again_[node] = TRY(first_of_requests(node));
    else
      make_again(node);
  }
  return {};
}

std::map<std::string, Attr> with_rows(const Node* node, int axis, int64_t rows) {
  std::map<std::string, Attr> attrs = node->attrs;
  for (const char* key : {"shape", "size"}) {
    const auto found = attrs.find(key);
    if (found == attrs.end()) continue;
    Shape sizes = std::get<Shape>(found->second);
    sizes[axis] = rows;
    found->second = sizes;
  }
  return attrs;
}

Expected<Node*> Packing::first_of_requests(Node* node) {
  const TokenAxes& tokens = axes(node->in[0]);
  if (tokens.batch != 0 || tokens.sequence != 1)
    return Error{called(*node) + ": takes first tokens of " + to_string(node->in[0]->type) +
                 ", which must be [batch,sequence,…] to be unpacked"};
  std::vector<Node*> in = node->in;
  in[0] = put_unpack(in[0], node);
  return put(graph_, node, node, node->op, in, with_rows(node, 0, options_.max_valid_num));
}

// A constant beside rows, for more rows.
Node* Packing::stretched_again(Node* free, size_t axis, const Node* before) {
  Shape shape = free->type.shape;
  if (shape[axis] == options_.max_valid_num) return free;
  Node* source = free->is(Op::Broadcast) ? free->in[0] : free;
  const size_t added = shape.size() - source->type.shape.size();
  if (axis >= added && source->type.shape[axis - added] != 1) {
    Shape one = source->type.shape;
    one[axis - added] = 1;
    source = put(graph_, before, source, Op::Slice,
                 {
                     source
    },
                 {{"start", Shape(one.size(), 0)}, {"step", Shape(one.size(), 1)}, {"size", one}});
  }
  shape[axis] = options_.max_valid_num;
  return put_broadcast(graph_, before, source, shape);
}

void Packing::make_again(Node* node) {
  const auto axis = static_cast<size_t>(axes(node).batch);
  const bool in_step = info(node->op).elementwise || node->is(Op::Concat) ||
                       (node->is(Op::MatMul) && axis + 2 < node->type.shape.size());
  std::vector<Node*> in;
  for (Node* operand : node->in) {
    const auto found = again_.find(operand);
    const bool beside = in_step && operand->type.shape.size() == node->type.shape.size();
    if (found != again_.end())
      in.push_back(found->second);
    else
      in.push_back(beside ? stretched_again(operand, axis, node) : operand);
  }
  again_[node] = put(graph_, node, node, node->op, in,
                     with_rows(node, axes(node).batch, options_.max_valid_num));
}

void Packing::unpack_outputs(PassState& state) {
  for (size_t i = 0; i < graph_.outputs.size(); ++i) {
    const auto& [name, node] = graph_.outputs[i];
    if (axes(node).kind == Kind::Row) {
      state.packing.per_request_outputs.insert(name);
      graph_.outputs.set(i, again_.at(node));
    } else {
      graph_.outputs.set(i, put_unpack(node, nullptr));
    }
  }
}

// Slices of one merged value are slices of it unpacked, once.
void Packing::pack_around(Node* attention) {
  std::unordered_map<const Node*, Node*> unpacked;
  const auto unpack = [&](Node* value) {
    Node*& made = unpacked[value];
    if (!made) made = put_unpack(value, attention);
    return made;
  };
  std::vector<Node*> in;
  for (int i = 0; i < 3; ++i) {
    Node* value = attention->in[i];
    if (!value->is(Op::Slice)) {
      in.push_back(unpack(value));
      continue;
    }
    std::map<std::string, Attr> attrs = with_rows(value, 0, options_.max_valid_num);
    std::get<Shape>(attrs["size"])[1] = options_.segment_max_size;
    in.push_back(put(graph_, attention, value, Op::Slice, {unpack(value->in[0])}, attrs));
  }
  in.push_back(info_);
  const AttentionMask said = *attention_mask(attention->string_attr("mask"));
  if (said.bias)
    in.push_back(put_bias_of_request(graph_, attention, attention->in[said.bias_operand()],
                                     options_.segment_max_size));
  std::map<std::string, Attr> attrs = attention->attrs;
  attrs["mask"] = std::string(said.bias ? "lengths+bias" : "lengths");
  Node* by_request = put(graph_, attention, attention, Op::Attention, in, attrs);
  Node* packed = put(graph_, attention, attention, Op::Pack,
                     {
                         by_request, info_
  },
                     {{"rows", model_.shape.rows}, {"row_length", model_.shape.row_length}});
  graph_.replace_uses(attention, packed);
}

}  // namespace

Expected<bool> insert_packing(Graph& graph, PassState& state) {
  const Packable model = TRY(prove_packable(graph, state));
  const PassOptions& options = state.options;
  const TokenShape& shape = model.shape;
  TRY(check_number("max_valid_num", options.max_valid_num, shape.rows * shape.row_length,
                   "the tokens of a batch"));
  TRY(check_number("segment_max_size", options.segment_max_size, shape.row_length,
                   "the tokens of a row"));
  Packing packing(graph, model, options,
                  graph.add_input("unpack_info", {
                                                     DType::I32, {options.max_valid_num, 1}
  }));
  state.packing.unpack_info_input = graph.inputs.back()->name;
  // First what lies after the attentions: the proof speaks of the graph as it was.
  TRY(packing.make_rows_requests());
  packing.unpack_outputs(state);
  for (Node* attention : model.attentions) packing.pack_around(attention);
  return true;
}

}  // namespace tessera
