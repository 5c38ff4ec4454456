// SPDX-License-Identifier: Apache-2.0
#include "passes/request_heads.h"

#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "passes/match.h"

namespace tessera {
namespace {

using Kind = TokenAxes::Kind;

}  // namespace

Status check_pack_arg(const char* name, int64_t value, int64_t most, const char* why) {
  if (value >= 1 && value <= most) return {};
  return Error{"pack_args: " + std::string(name) + " is " + std::to_string(value) +
                   ", must be within 1 .. " + std::to_string(most) + ", " + why,
               ErrorKind::Usage};
}

RequestRows add_request_rows(Graph& graph, PassState& state, const Shape& places, int64_t longest) {
  Node* input = graph.add_input("unpack_info", {DType::I32, places});
  state.packing.unpack_info_input = input->name;
  state.packing.max_valid_num = places[0];
  return {.places = input, .requests = places[0], .longest = longest};
}

Node* put_unpack(Graph& graph, const Node* before, Node* value, const RequestRows& rows) {
  return put(graph, before, value, Op::Unpack,
             {
                 value, rows.places
  },
             {{"segment_max_size", rows.longest}});
}

Status RequestHeads::make() {
  const std::vector<Node*> all = right_by_request();
  for (Node* node : all) TRY(make_again(node));
  for (Node* node : all)
    if (axes(node).goes_back) pack_again(node);
  return {};
}

// Nodes that are not computed by request read it where the tokens stand.
void RequestHeads::pack_again(Node* node) {
  const std::vector<Node*> users = graph_.users(node);
  const bool by_time = axes(node).is_by_time();
  Node* made = again_.at(node);
  Node* packed = put(graph_, node, node, Op::Pack,
                     {
                         by_time ? transposed(made, node) : made, rows_.places
  },
                     {{"rows", model_.shape.rows}, {"row_length", model_.shape.row_length}});
  if (by_time) packed = transposed(packed, node);
  for (Node* user : users)
    for (size_t i = 0; i < user->in.size(); ++i)
      if (user->in[i] == node) graph_.set_operand(user, i, packed);
}

// unpack fills the cells behind a request with 0. Where the proof wants another number there (what
// a mask adds to hide them), the value is made again as well, of what it is made of.
bool RequestHeads::may_be_unpacked(const Node* value) const {
  const TokenAxes& tokens = axes(value);
  const bool stands_in_front = tokens.flat == 0 || tokens.is_in_front() || tokens.is_by_time();
  return value->is(Op::Input) || (tokens.may_be_0_behind && stands_in_front);
}

std::vector<Node*> RequestHeads::right_by_request() const {
  std::vector<Node*> all;
  for (const auto& node : graph_.nodes()) all.push_back(node.get());
  std::unordered_set<const Node*> chosen;
  std::vector<Node*> result;
  for (auto at = all.rbegin(); at != all.rend(); ++at) {
    Node* node = *at;
    if (node == rows_.places || (!is_made_again(node) && !chosen.contains(node))) continue;
    result.push_back(node);
    for (const Node* in : node->in)
      if (axes(in).kind == Kind::Token && !is_made_again(in) && !may_be_unpacked(in))
        chosen.insert(in);
  }
  std::ranges::reverse(result);
  return result;
}

// Rows and tokens change places.
Node* RequestHeads::transposed(Node* value, const Node* before) {
  std::vector<int64_t> perm(value->type.shape.size());
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm[0], perm[1]);
  return put(graph_, before, value, Op::Transpose,
             {
                 value
  },
             {{"perm", perm}});
}

Node* RequestHeads::unpacked(Node* value, const Node* before) {
  Node*& made = unpacked_[value];
  if (made) return made;
  const TokenAxes& tokens = axes(value);
  if (tokens.is_by_time())
    return made = transposed(put_unpack(graph_, before, transposed(value, before), rows_), before);
  if (tokens.flat != 0) return made = put_unpack(graph_, before, value, rows_);
  Shape shape = value->type.shape;
  shape[0] = model_.shape.row_length;
  shape.insert(shape.begin(), model_.shape.rows);
  made = put_unpack(graph_, before, put_reshape(graph_, before, value, shape), rows_);
  shape.erase(shape.begin());
  shape[0] = rows_.requests * rows_.longest;
  return made = put_reshape(graph_, before, made, shape);
}

// The axes of a value that follow rows and tokens, and how long they are by request.
std::array<std::pair<int, int64_t>, 4> RequestHeads::sizes_by_request(const TokenAxes& made) const {
  const int64_t longest = rows_.longest * made.inner + made.zeros_before + made.zeros_behind;
  return {
      {{made.batch, rows_.requests},
       {made.sequence, longest},
       {made.key, rows_.longest},
       {made.flat, rows_.requests * rows_.longest}}
  };
}

std::map<std::string, Attr> RequestHeads::sizes_again(const Node* node) const {
  std::map<std::string, Attr> attrs = node->attrs;
  for (const auto& [axis, size] : sizes_by_request(axes(node))) {
    for (const char* key : {"shape", "size"}) {
      const auto found = attrs.find(key);
      if (axis >= 0 && found != attrs.end()) std::get<Shape>(found->second)[axis] = size;
    }
  }
  return attrs;
}

// A value along whose axis all is the same, for more rows; or the first of its places.
Node* RequestHeads::resized(Node* value, size_t axis, int64_t size, const Node* before) {
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
Node* RequestHeads::beside(Node* value, const Node* node) {
  for (const auto& [axis, size] : sizes_by_request(axes(node))) {
    const bool is_summed = node->is(Op::MatMul) && axis + 2 >= std::ssize(node->type.shape);
    const bool is_joined = node->is(Op::Concat) && axis == node->int_attr("axis");
    if (axis >= 0 && !is_summed && !is_joined)
      value = resized(value, static_cast<size_t>(axis), size, node);
  }
  return value;
}

// Rows of one token: what a head that looks at no other moves.
Node* RequestHeads::first_tokens(Node* value, const Node* before) {
  Node*& made = first_tokens_[value];
  if (!made)
    made = put_unpack(graph_, before, value, {rows_.places, rows_.requests, /*longest=*/1});
  return made;
}

Node* RequestHeads::operand_again(Node* node, size_t i) {
  Node* operand = node->in[i];
  const auto found = again_.find(operand);
  if (found != again_.end())
    operand = found->second;
  else if (takes_first_token(node, axes(operand)) && axes(operand).batch == 0)
    operand = first_tokens(operand, node);
  else if (axes(operand).kind == Kind::Token)
    operand = unpacked(operand, node);
  const bool in_step = info(node->op).elementwise || node->is(Op::Concat) || node->is(Op::MatMul) ||
                       node->is(Op::Rotary);
  if (in_step && operand->type.shape.size() == node->type.shape.size())
    operand = beside(operand, node);
  // Each token's own numbers: of as many tokens.
  if (node->is(Op::Gather) && i == 1 && axes(node->in[0]).inner > 1)
    return resized(operand, axes(node).sequence - node->int_attr("axis"), rows_.longest, node);
  // Weights by place, which tokens are summed by.
  if (node->is(Op::MatMul) && axes(node->in[i]).kind == Kind::Free) {
    const TokenAxes& other = axes(node->in[1 - i]);
    const auto rank_of = [](const Node* value) { return std::ssize(value->type.shape); };
    const int64_t summed = rank_of(node->in[1 - i]) - (i == 0 ? 2 : 1);
    const int64_t mine = rank_of(operand) - (i == 0 ? 1 : 2);
    if ((other.sequence >= 0 && other.sequence == summed) ||
        (other.key >= 0 && other.key == summed))
      operand = resized(operand, static_cast<size_t>(mine), rows_.longest, node);
  }
  return operand;
}

Status RequestHeads::make_again(Node* node) {
  std::vector<Node*> in;
  for (size_t i = 0; i < node->in.size(); ++i) in.push_back(operand_again(node, i));
  Expected<Node*> made = graph_.add(node->op, "", std::move(in), sizes_again(node), node);
  if (!made.ok())
    return Error{called(*node) + ": cannot be computed for " + std::to_string(rows_.requests) +
                 " requests of " + std::to_string(rows_.longest) + " tokens (" +
                 made.error().message + "), must have the axes of its tokens alone"};
  (*made)->origin = node->origin;
  again_[node] = *made;
  return {};
}

}  // namespace tessera
