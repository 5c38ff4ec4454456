// SPDX-License-Identifier: Apache-2.0
// Form A of packing: requests stand end to end in the rows of a batch, and one may continue on the
// next row. unpack gives each request a row of its own before attention, pack lays them end to end
// again after it, and outputs leave unpacked.
//
// Everything else runs on the packed tokens, where no row is padding. Attention runs over
// max_valid_num rows of segment_max_size and is told their lengths by the input unpack_info; the
// mask input stays in the contract, as PopRT's callers send it. A head that is right only where a
// row is one request (a first token, a mean that the mask leaves padding out of) is made again, on
// tokens that are unpacked for it.
#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

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
  std::vector<Node*> right_by_request() const;
  bool may_be_unpacked(const Node* value) const;
  Node* unpacked(Node* value, const Node* before);
  Node* resized(Node* value, size_t axis, int64_t size, const Node* before);
  Node* beside(Node* value, const Node* node);
  Node* operand_again(Node* node, size_t i);
  Status make_again(Node* node);
  std::map<std::string, Attr> sizes_again(const Node* node) const;

  Graph& graph_;
  const Packable& model_;
  const PassOptions& options_;
  Node* info_;
  std::unordered_map<const Node*, Node*> again_;     // of a value by row: the same by request
  std::unordered_map<const Node*, Node*> unpacked_;  // of packed tokens that those are made of
};

Node* Packing::put_unpack(Node* value, const Node* before) {
  return put(graph_, before, value, Op::Unpack,
             {
                 value, info_
  },
             {{"segment_max_size", options_.segment_max_size}});
}

// What is right only where a row is one request is made again, on max_valid_num rows that unpack
// makes of the packed tokens.
Status Packing::make_rows_requests() {
  for (Node* node : right_by_request()) TRY(make_again(node));
  return {};
}

// unpack fills the cells behind a request with 0. Where the proof wants another number there (what
// a mask adds to hide them), the value is made again as well, of what it is made of.
bool Packing::may_be_unpacked(const Node* value) const {
  const TokenAxes& tokens = axes(value);
  const bool stands_in_front = tokens.flat == 0 || (tokens.batch == 0 && tokens.sequence == 1);
  return value->is(Op::Input) || (tokens.may_be_0_behind && stands_in_front);
}

std::vector<Node*> Packing::right_by_request() const {
  std::vector<Node*> all;
  for (const auto& node : graph_.nodes()) all.push_back(node.get());
  std::unordered_set<const Node*> chosen;
  std::vector<Node*> result;
  for (auto at = all.rbegin(); at != all.rend(); ++at) {
    Node* node = *at;
    if (node == info_ || (!axes(node).by_request && !chosen.contains(node))) continue;
    result.push_back(node);
    for (const Node* in : node->in)
      if (axes(in).kind == Kind::Token && !axes(in).by_request && !may_be_unpacked(in))
        chosen.insert(in);
  }
  std::ranges::reverse(result);
  return result;
}

Node* Packing::unpacked(Node* value, const Node* before) {
  Node*& made = unpacked_[value];
  if (made) return made;
  const TokenAxes& tokens = axes(value);
  if (tokens.flat != 0) return made = put_unpack(value, before);
  Shape shape = value->type.shape;
  shape[0] = model_.shape.row_length;
  shape.insert(shape.begin(), model_.shape.rows);
  made = put_unpack(put_reshape(graph_, before, value, shape), before);
  shape.erase(shape.begin());
  shape[0] = options_.max_valid_num * options_.segment_max_size;
  return made = put_reshape(graph_, before, made, shape);
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

std::map<std::string, Attr> Packing::sizes_again(const Node* node) const {
  const TokenAxes& made = axes(node);
  const int64_t most = options_.max_valid_num, longest = options_.segment_max_size;
  std::map<std::string, Attr> attrs = node->attrs;
  for (const auto& [axis, size] : {std::pair(made.batch, most), std::pair(made.sequence, longest),
                                   std::pair(made.flat, most * longest)}) {
    for (const char* key : {"shape", "size"}) {
      const auto found = attrs.find(key);
      if (axis >= 0 && found != attrs.end()) std::get<Shape>(found->second)[axis] = size;
    }
  }
  return attrs;
}

// A value along whose axis all is the same, for more rows; or the first of its places.
Node* Packing::resized(Node* value, size_t axis, int64_t size, const Node* before) {
  Shape shape = value->type.shape;
  if (shape[axis] == size) return value;
  const auto known = model_.axes.find(value);
  const bool by_place = known == model_.axes.end() || known->second.kind != Kind::Free ||
                        !known->second.uniform[axis];
  Node* source = value->is(Op::Broadcast) && !by_place ? value->in[0] : value;
  const size_t added = shape.size() - source->type.shape.size();
  const int64_t kept = by_place ? size : 1;
  if (axis >= added && source->type.shape[axis - added] != kept) {
    Shape part = source->type.shape;
    part[axis - added] = kept;
    source =
        put(graph_, before, source, Op::Slice,
            {
                source
    },
            {{"start", Shape(part.size(), 0)}, {"step", Shape(part.size(), 1)}, {"size", part}});
  }
  shape[axis] = size;
  return put_broadcast(graph_, before, source, shape);
}

// An operand of the shape of the result, with the axes of the requests.
Node* Packing::beside(Node* value, const Node* node) {
  const TokenAxes& made = axes(node);
  const int64_t most = options_.max_valid_num, longest = options_.segment_max_size;
  for (const auto& [axis, size] : {std::pair(made.batch, most), std::pair(made.sequence, longest),
                                   std::pair(made.flat, most * longest)}) {
    const bool is_summed = node->is(Op::MatMul) && axis + 2 >= std::ssize(node->type.shape);
    if (axis >= 0 && !is_summed) value = resized(value, static_cast<size_t>(axis), size, node);
  }
  return value;
}

Node* Packing::operand_again(Node* node, size_t i) {
  Node* operand = node->in[i];
  const auto found = again_.find(operand);
  if (found != again_.end())
    operand = found->second;
  else if (axes(operand).kind == Kind::Token)
    operand = unpacked(operand, node);
  const bool in_step = info(node->op).elementwise || node->is(Op::Concat) || node->is(Op::MatMul) ||
                       node->is(Op::Rotary);
  if (in_step && operand->type.shape.size() == node->type.shape.size())
    operand = beside(operand, node);
  // Weights by place, which tokens are summed by.
  if (node->is(Op::MatMul) && axes(node->in[i]).kind == Kind::Free) {
    const TokenAxes& other = axes(node->in[1 - i]);
    const auto rank_of = [](const Node* value) { return std::ssize(value->type.shape); };
    const int64_t summed = rank_of(node->in[1 - i]) - (i == 0 ? 2 : 1);
    const int64_t mine = rank_of(operand) - (i == 0 ? 1 : 2);
    if (other.sequence >= 0 && other.sequence == summed)
      operand = resized(operand, static_cast<size_t>(mine), options_.segment_max_size, node);
  }
  return operand;
}

Status Packing::make_again(Node* node) {
  std::vector<Node*> in;
  for (size_t i = 0; i < node->in.size(); ++i) in.push_back(operand_again(node, i));
  Expected<Node*> made = graph_.add(node->op, "", std::move(in), sizes_again(node), node);
  if (!made.ok())
    return Error{called(*node) + ": cannot be computed for " +
                 std::to_string(options_.max_valid_num) + " requests of " +
                 std::to_string(options_.segment_max_size) + " tokens (" + made.error().message +
                 "), must have the axes of its tokens alone"};
  (*made)->origin = node->origin;
  again_[node] = *made;
  return {};
}

void Packing::unpack_outputs(PassState& state) {
  for (size_t i = 0; i < graph_.outputs.size(); ++i) {
    const auto& [name, node] = graph_.outputs[i];
    if (axes(node).kind == Kind::Row) state.packing.per_request_outputs.insert(name);
    if (axes(node).by_request) {
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
