// SPDX-License-Identifier: Apache-2.0
// Queries or keys whose pairs are rotated by angles of their position become rotary.
//
// Exporters take the two numbers of each pair apart with slices and put them together again: copies
// of a tensor in runs of one number, the most expensive copies on this machine. As one op
// nothing leaves its tile, and heads are still where the linear map left them, so that attention is
// found.
//
// Pairs are neighbours (slices of every second number, stacked) or half a head apart (halves,
// joined). Either form may be written as x cos + (-second, first) sin with angles for whole heads,
// and x may be scaled.
#include <map>
#include <optional>

#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {
namespace {

enum class Form : uint8_t { Pairs, Halves };

// One of the two numbers of every pair of x [batch,heads,tokens,depth].
struct Part {
  Node* x = nullptr;
  Form form{};
  bool second = false;
  bool operator==(const Part&) const = default;
};

std::optional<Part> match_part(Node* node) {
  if (!node->is(Op::Slice) || node->type.shape.size() != 4) return std::nullopt;
  Node* x = node->in[0];
  const Shape& whole = x->type.shape;
  const std::vector<int64_t>&start = node->ints("start"), &step = node->ints("step");
  for (size_t d = 0; d < 3; ++d)
    if (node->type.shape[d] != whole[d] || start[d] != 0 || step[d] != 1) return std::nullopt;
  const int64_t half = whole[3] / 2;
  if (whole[3] % 2 != 0 || half == 0 || node->type.shape[3] != half) return std::nullopt;
  if (step[3] == 2 && start[3] <= 1) return Part{x, Form::Pairs, start[3] == 1};
  if (step[3] == 1 && start[3] % half == 0) return Part{x, Form::Halves, start[3] == half};
  return std::nullopt;
}

struct RotaryTerm {
  Part part;
  Node* angle = nullptr;
};

std::optional<RotaryTerm> match_rotary_term(Node* node) {
  if (!node->is(Op::Mul)) return std::nullopt;
  for (int i : {0, 1})
    if (const auto part = match_part(node->in[i])) return RotaryTerm{*part, node->in[1 - i]};
  return std::nullopt;
}

struct Rotated {
  Node* x = nullptr;
  Form form{};
  Node *cos = nullptr, *sin = nullptr;  // of each pair; or of each number, then `of_numbers`
  bool of_numbers = false;
};

// first · cos - second · sin
std::optional<Rotated> match_first(Node* node) {
  if (!node->is(Op::Sub)) return std::nullopt;
  const auto plus = match_rotary_term(node->in[0]), minus = match_rotary_term(node->in[1]);
  if (!plus || !minus || plus->part.second) return std::nullopt;
  if (minus->part != Part{plus->part.x, plus->part.form, true}) return std::nullopt;
  return Rotated{plus->part.x, plus->part.form, plus->angle, minus->angle};
}

// second · cos + first · sin
bool is_second(Node* node, const Rotated& of) {
  if (!node->is(Op::Add)) return false;
  for (int i : {0, 1}) {
    const auto by_cos = match_rotary_term(node->in[i]), by_sin = match_rotary_term(node->in[1 - i]);
    if (by_cos && by_sin && by_cos->part == Part{of.x, of.form, true} && by_cos->angle == of.cos &&
        by_sin->part == Part{of.x, of.form, false} && by_sin->angle == of.sin)
      return true;
  }
  return false;
}

// Behind the last axis of 1 that stacking gives each part.
Node* unstacked(Node* node, const Shape& part) {
  return node->is(Op::Reshape) && node->in[0]->type.shape == part ? node->in[0] : nullptr;
}

bool joins_halves(const Node* node) {
  return node->is(Op::Concat) && node->in.size() == 2 && node->type.shape.size() == 4 &&
         node->int_attr("axis") == 3;
}

// The two numbers of all pairs, as they are joined to whole heads.
struct Pair {
  Form form{};
  Node *first = nullptr, *second = nullptr;
};

std::optional<Pair> match_pair(Node* node) {
  if (joins_halves(node)) return Pair{Form::Halves, node->in[0], node->in[1]};
  const Node* concat = node->is(Op::Reshape) ? node->in[0] : nullptr;
  if (!concat || !concat->is(Op::Concat) || concat->in.size() != 2) return std::nullopt;
  Shape part = node->type.shape;
  if (part.size() != 4) return std::nullopt;
  part[3] /= 2;
  Shape stacked = part;
  stacked.push_back(2);
  if (concat->type.shape != stacked || concat->int_attr("axis") != 4) return std::nullopt;
  Node *first = unstacked(concat->in[0], part), *second = unstacked(concat->in[1], part);
  return first && second ? std::optional(Pair{Form::Pairs, first, second}) : std::nullopt;
}

std::optional<Rotated> match_joined(Node* root) {
  const auto pair = match_pair(root);
  const auto found = pair ? match_first(pair->first) : std::nullopt;
  const bool fits = found && found->form == pair->form && is_second(pair->second, *found);
  return fits ? found : std::nullopt;
}

// The value whose pairs (first, second) are rotated to (-second, first); none if the node is
// another.
std::optional<Part> argument_of_quarter_turn(Node* node) {
  const auto pair = match_pair(node);
  if (!pair) return std::nullopt;
  const Scaled negated = peel_scale(pair->first);
  const auto first = match_part(pair->second), second = match_part(negated.value);
  if (negated.scale != -1 || !first || first->form != pair->form || first->second)
    return std::nullopt;
  return second == Part{first->x, pair->form, true} ? first : std::nullopt;
}

std::optional<Rotated> match_summed(Node* root) {
  if (!root->is(Op::Add) || root->type.shape.size() != 4) return std::nullopt;
  for (int i : {0, 1}) {
    Node *straight = root->in[i], *crossed = root->in[1 - i];
    if (!straight->is(Op::Mul) || !crossed->is(Op::Mul)) continue;
    for (int j : {0, 1}) {
      const auto of = argument_of_quarter_turn(crossed->in[j]);
      if (!of) continue;
      Node* cos = other_operand(straight, [&](Node* in) { return in == of->x; });
      if (cos) return Rotated{of->x, of->form, cos, crossed->in[1 - j], true};
    }
  }
  return std::nullopt;
}

// Angles before they were stretched over heads, as [batch or 1,tokens,angles]; null where they are
// not the same for all heads.
Node* put_angles(Graph& graph, const Node* before, Node* angles) {
  const Shape whole = angles->type.shape;
  if (angles->is(Op::Broadcast)) angles = angles->in[0];
  Shape shape = angles->type.shape;
  shape.insert(shape.begin(), 4 - shape.size(), 1);
  if (shape[1] != 1 || shape[2] != whole[2] || shape[3] != whole[3]) return nullptr;
  return put_reshape(graph, before, angles, {shape[0], shape[2], shape[3]});
}

Node* put_negated(Graph& graph, const Node* before, Node* value) {
  Node* minus = put_splat(graph, before, value->type.dtype, -1, value->type.shape);
  return put(graph, before, value, Op::Mul, {value, minus});
}

// The angles of the first number of every pair, or of the second.
Node* put_part(Graph& graph, const Node* before, Node* angles, Form form, bool second) {
  Shape size = angles->type.shape;
  size[2] /= 2;
  const bool pairs = form == Form::Pairs;
  const int64_t start = pairs ? 1 : size[2];
  return put(graph, before, angles, Op::Slice,
             {
                 angles
  },
             {{"start", Shape{0, 0, second ? start : 0}},
              {"step", Shape{1, 1, pairs ? 2 : 1}},
              {"size", size}});
}

// For each number of a head, from those of the first and of the second of every pair.
Node* put_spread(Graph& graph, const Node* before, Form form, Node* first, Node* second) {
  const Shape& shape = first->type.shape;
  if (form == Form::Halves)
    return put(graph, before, first, Op::Concat,
               {
                   first, second
    },
               {{"axis", int64_t{2}}});
  Shape stacked = shape;
  stacked.push_back(1);
  Node* pairs = put(
      graph, before, first, Op::Concat,
      {
          put_reshape(graph, before, first, stacked), put_reshape(graph, before, second, stacked)
  },
      {{"axis", int64_t{3}}});
  return put_reshape(graph, before, pairs, {shape[0], shape[1], 2 * shape[2]});
}

// Cosines, and sines that are negative for the first of a pair.
struct Angles {
  Node *cos = nullptr, *sin = nullptr;
};

Angles put_all_angles(Graph& graph, const Node* before, const Rotated& rotated) {
  Node* cos = put_angles(graph, before, rotated.cos);
  Node* sin = put_angles(graph, before, rotated.sin);
  if (!cos || !sin) return {};
  if (rotated.of_numbers) {
    Node* first = put_negated(graph, before, put_part(graph, before, sin, rotated.form, false));
    Node* second = put_part(graph, before, sin, rotated.form, true);
    return {cos, put_spread(graph, before, rotated.form, first, second)};
  }
  return {put_spread(graph, before, rotated.form, cos, cos),
          put_spread(graph, before, rotated.form, put_negated(graph, before, sin), sin)};
}

}  // namespace

Expected<bool> fuse_rotary(Graph& graph, PassState&) {
  // Queries and keys of all layers share their angles, by what they are made of.
  std::map<std::tuple<Node*, Node*, Form, bool>, Angles> made;
  bool changed = false;
  for (const auto& owned : graph.nodes()) {
    Node* root = owned.get();
    auto rotated = match_joined(root);
    if (!rotated) rotated = match_summed(root);
    if (!rotated) continue;
    const Scaled of = peel_scale(rotated->x);
    const std::vector<int64_t> heads_first = {0, 2, 1, 3};
    if (!of.value->is(Op::Transpose) || of.value->ints("perm") != heads_first) continue;
    const std::tuple key{rotated->cos, rotated->sin, rotated->form, rotated->of_numbers};
    if (!made.contains(key)) made[key] = put_all_angles(graph, root, *rotated);
    const Angles angles = made[key];
    if (!angles.cos) continue;
    Node* heads = of.value->in[0];
    const Shape& shape = heads->type.shape;  // [batch,tokens,heads,depth]
    Node* source = heads->is(Op::Reshape) ? heads->in[0] : heads;
    Node* x = put_reshape(graph, root, source, {shape[0], shape[1], shape[2] * shape[3]});
    Node* fused = put(graph, root, root, Op::Rotary,
                      {
                          x, angles.cos, angles.sin
    },
                      {{"heads", shape[2]},
                       {"form", std::string(rotated->form == Form::Pairs ? "pairs" : "halves")}});
    Node* split = put_reshape(graph, root, fused, shape);
    Node* result = put(graph, root, root, Op::Transpose,
                       {
                           split
    },
                       {{"perm", heads_first}});
    if (of.scale != 1) {
      Node* scale = put_splat(graph, root, root->type.dtype, of.scale, result->type.shape);
      result = put(graph, root, root, Op::Mul, {result, scale});
    }
    graph.replace_uses(root, result);
    changed = true;
  }
  return changed;
}

}  // namespace tessera
