// SPDX-License-Identifier: Apache-2.0
// Form A of packing: requests stand end to end in the rows of a batch, and one may continue on the
// next row. unpack gives each request a row of its own before attention, pack lays them end to end
// again after it, and outputs leave unpacked.
//
// Everything else runs on the packed tokens, where no row is padding. Attention runs over
// max_valid_num rows of segment_max_size and is told their lengths by the input unpack_info; the
// mask input stays in the contract, as PopRT's callers send it. Heads that answer per request are
// made again (passes/request_heads.h).
#include <map>
#include <unordered_map>

#include "ir/attention_mask.h"
#include "passes/match.h"
#include "passes/packed_masks.h"
#include "passes/passes.h"
#include "passes/request_heads.h"

namespace tessera {
namespace {

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

// Slices of one merged value are slices of it unpacked, once.
void pack_around(Graph& graph, const TokenShape& shape, const RequestRows& rows, Node* attention) {
  std::unordered_map<const Node*, Node*> unpacked;
  const auto unpack = [&](Node* value) {
    Node*& made = unpacked[value];
    if (!made) made = put_unpack(graph, attention, value, rows);
    return made;
  };
  std::vector<Node*> in;
  for (int i = 0; i < 3; ++i) {
    Node* value = attention->in[i];
    if (!value->is(Op::Slice)) {
      in.push_back(unpack(value));
      continue;
    }
    std::map<std::string, Attr> attrs = with_rows(value, 0, rows.requests);
    std::get<Shape>(attrs["size"])[1] = rows.longest;
    in.push_back(put(graph, attention, value, Op::Slice, {unpack(value->in[0])}, attrs));
  }
  in.push_back(rows.places);
  const AttentionMask said = *attention_mask(attention->string_attr("mask"));
  if (said.bias)
    in.push_back(
        put_bias_of_request(graph, attention, attention->in[said.bias_operand()], rows.longest));
  std::map<std::string, Attr> attrs = attention->attrs;
  attrs["mask"] = std::string(said.bias ? "lengths+bias" : "lengths");
  Node* by_request = put(graph, attention, attention, Op::Attention, in, attrs);
  Node* packed = put(graph, attention, attention, Op::Pack,
                     {
                         by_request, rows.places
  },
                     {{"rows", shape.rows}, {"row_length", shape.row_length}});
  graph.replace_uses(attention, packed);
}

// A request may go on in the next row: of a scale's ends, all rows are one.
void join_rows(Graph& graph, const TokenShape& shape) {
  std::vector<Node*> found;
  for (const auto& node : graph.nodes())
    if (node->is(Op::SegmentMax)) found.push_back(node.get());
  const int64_t tokens = shape.rows * shape.row_length;
  for (Node* node : found) {
    const Shape own = node->type.shape;
    if (own[0] != shape.rows || own[1] != shape.row_length) continue;
    Node* ends = put_reshape(graph, node, node->in[0], {1, tokens, own[2]});
    Node* ids = put_reshape(graph, node, node->in[1], {1, tokens});
    Node* joined = put(graph, node, node, Op::SegmentMax, {ends, ids});
    graph.replace_uses(node, put_reshape(graph, node, joined, own));
  }
}

}  // namespace

Expected<bool> insert_packing(Graph& graph, PassState& state) {
  const Packable model = TRY(prove_packable(graph, state));
  const PassOptions& options = state.options;
  const TokenShape& shape = model.shape;
  TRY(check_pack_arg("max_valid_num", options.max_valid_num, shape.rows * shape.row_length,
                     "the tokens of a batch"));
  TRY(check_pack_arg("segment_max_size", options.segment_max_size, shape.row_length,
                     "the tokens of a row"));
  const RequestRows rows =
      add_request_rows(graph, state, {options.max_valid_num, 1}, options.segment_max_size);
  // First what lies after the attentions: the proof speaks of the graph as it was.
  RequestHeads heads(graph, model, rows);
  TRY(heads.make());
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const auto& [name, node] = graph.outputs[i];
    const TokenAxes& axes = model.axes.at(node);
    if (axes.kind == TokenAxes::Kind::Row) state.packing.per_request_outputs.insert(name);
    graph.outputs.set(i, axes.by_request || axes.goes_back
                             ? heads.made(node)
                             : put_unpack(graph, nullptr, node, rows));
  }
  for (Node* attention : model.attentions) pack_around(graph, shape, rows, attention);
  join_rows(graph, shape);
  return true;
}

}  // namespace tessera
