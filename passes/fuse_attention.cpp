// SPDX-License-Identifier: Apache-2.0
// softmax(scale · q·kᵀ + mask) · v over heads becomes attention.
//
// The scores are the largest values of an encoder and nobody else reads them: as one node they
// never leave a tile. A mask that hides keys is not a sum of large negative numbers then but a
// question asked of each key, the same in every precision; and packing has an op to speak of.
//
// Found from `softmax · v` outwards. The scale may stand on the scores, on the query or on the
// key, before or after their transpose; the mask may be added or selected (passes/key_mask.h says
// which masks hide keys). Operands are taken from where their heads were split; one that something
// else makes of heads, as angles that rotate a part of each, is transposed to rows of tokens. Nodes
// that do not match stay as they are.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "ir/attention_mask.h"
#include "passes/key_mask.h"
#include "passes/match.h"
#include "passes/passes.h"
#include "support/half.h"

namespace tessera {
namespace {

// A term that stands between q·kᵀ and the softmax. It is added to the scores, or replaces them by a
// large negative number where a condition holds (or, `unless`, where it does not).
struct BiasTerm {
  Node* added = nullptr;
  Node* condition = nullptr;
  bool unless = false;
  double number = 0;
};

struct Scores {
  Node* product = nullptr;
  double scale = 1;
  std::vector<BiasTerm> terms;
};

// The scores' side of a sum or a select is the one that a matmul is at the bottom of.
bool reaches_matmul(Node* node, int depth = 6) {
  node = peel_scale(node).value;
  if (node->is(Op::MatMul)) return true;
  if (depth == 0) return false;
  if (node->is(Op::Add))
    return reaches_matmul(node->in[0], depth - 1) || reaches_matmul(node->in[1], depth - 1);
  return node->is(Op::Select) && ((splat(node->in[2]) && reaches_matmul(node->in[1], depth - 1)) ||
                                  (splat(node->in[1]) && reaches_matmul(node->in[2], depth - 1)));
}

// Takes one layer off the scores; null where there is none that we know.
Node* take_term(Node* node, Scores& scores) {
  if (node->is(Op::Add)) {
    for (int i : {0, 1})
      if (reaches_matmul(node->in[i])) {
        scores.terms.push_back({.added = node->in[1 - i]});
        return node->in[i];
      }
  }
  if (node->is(Op::Select)) {
    for (int i : {1, 2}) {
      const std::optional<double> number = splat(node->in[3 - i]);
      if (!number || !hides(*number) || !reaches_matmul(node->in[i])) continue;
      scores.terms.push_back({.condition = node->in[0], .unless = i == 1, .number = *number});
      return node->in[i];
    }
  }
  return nullptr;
}

std::optional<Scores> match_scores(Node* node) {
  Scores scores;
  while (std::ssize(scores.terms) < kFarthest) {
    Node* below = take_term(node, scores);
    if (!below) break;
    node = below;
  }
  const Scaled scaled = peel_scale(node);
  scores.scale = scaled.scale;
  scores.product = scaled.value;
  if (!scores.product->is(Op::MatMul) || scores.product->type.shape.size() != 4)
    return std::nullopt;
  return scores;
}

// An operand of a product, taken back to what its heads were split from.
struct Heads {
  Node* source = nullptr;      // its elements are those of `split`, when its axes are `order`
  std::vector<int64_t> order;  // of the source's four axes; empty: as they are
  Shape split;                 // [b,s,h,d]
  double scale = 1;
  int64_t repeats = 1;  // of each head of the source: queries in groups share keys and values
};

// [b,g,s,d], or its last two axes the other way round, of which each head was repeated to make
// [b,h,s,d]; null where none was.
Node* before_repeats(const Node* node) {
  if (node->is(Op::Broadcast)) {  // of the only head
    Node* single = node->in[0];
    Shape thin = node->type.shape;
    if (thin.size() != 4 || thin[1] == 1) return nullptr;
    thin[1] = 1;
    return single->type.shape == thin ? single : nullptr;
  }
  if (!node->is(Op::Reshape) || !node->in[0]->is(Op::Broadcast)) return nullptr;
  const Node *stretched = node->in[0], *single = stretched->in[0];
  const Shape &whole = stretched->type.shape, &one = single->type.shape;
  if (whole.size() != 5 || one.size() != 5 || one[2] != 1 || !single->is(Op::Reshape))
    return nullptr;
  Shape thin = whole;
  thin[2] = 1;
  const Shape heads = {whole[0], whole[1] * whole[2], whole[3], whole[4]};
  const Shape groups = {whole[0], whole[1], whole[3], whole[4]};
  Node* source = single->in[0];
  return one == thin && node->type.shape == heads && source->type.shape == groups ? source
                                                                                  : nullptr;
}

// `axes`: those of [b,s,h,d] that make the operand.
std::optional<Heads> match_heads(Node* node, const std::vector<int64_t>& axes) {
  std::vector<int64_t> perm = {0, 1, 2, 3};
  Heads heads;
  for (int i = 0; i < kFarthest; ++i) {
    const Scaled scaled = peel_scale(node);
    heads.scale *= scaled.scale;
    node = scaled.value;
    if (Node* groups = before_repeats(node)) {
      if (perm[1] != 1) return std::nullopt;
      heads.repeats *= node->type.shape[1] / groups->type.shape[1];
      node = groups;
      continue;
    }
    if (!node->is(Op::Transpose) || node->type.shape.size() != 4) break;
    for (int64_t& axis : perm) axis = node->ints("perm")[axis];
    node = node->in[0];
  }
  if (node->type.shape.size() != 4) return std::nullopt;
  std::vector<int64_t> order(4);
  for (size_t i = 0; i < 4; ++i) order[static_cast<size_t>(axes[i])] = perm[i];
  for (const int64_t axis : order) heads.split.push_back(node->type.shape[axis]);
  heads.split[2] *= heads.repeats;
  if (std::ranges::is_sorted(order)) {
    heads.source = node->is(Op::Reshape) ? node->in[0] : node;
  } else {
    heads.source = node;
    heads.order = order;
  }
  return heads;
}

struct Match {
  Heads q, k, v;
  Scores scores;
  Node* replaced = nullptr;  // the product, [b,h,r,d], or the [b,r,h,d] that alone is made of it
  bool guarded = false;      // weights that are NaN become 0

  double scale() const { return scores.scale * q.scale * k.scale; }
};

bool agree(const Match& m) {
  const Shape &q = m.q.split, &k = m.k.split;
  return k == m.v.split && q.size() == 4 && q[0] == k[0] && q[2] == k[2] && q[3] == k[3] &&
         m.v.scale == 1 && std::isfinite(m.scale());
}

// Where terms meet in one sum, a number that hides takes the place of a score only if no score
// is left in the sum of both: -1e4 is too small.
bool can_be_added(const std::vector<BiasTerm>& terms) {
  return terms.size() == 1 ||
         std::ranges::all_of(terms, [](const BiasTerm& t) { return t.added || absorbs(t.number); });
}

// The softmax below "0 where it is NaN", which PyTorch's exporters write for a query that sees no
// key. Null if the value is not one.
Node* guarded_softmax(Node* node) {
  if (!node->is(Op::Select) || !node->in[0]->is(Op::Not)) return nullptr;
  const Node* equal = node->in[0]->in[0];
  Node* softmax = node->in[2];
  const bool asks = equal->is(Op::Equal) && equal->in[0] == softmax && equal->in[1] == softmax;
  return asks && softmax->is(Op::Softmax) && splat(node->in[1]) == 0.0 ? softmax : nullptr;
}

const std::vector<int64_t> kJoined = {0, 2, 1, 3};  // [b,h,r,d] and [b,r,h,d] of each other

// [b,r,h,d], if nothing else is made of the product [b,h,r,d]; null otherwise.
Node* joined_heads(const Node* product, const UserMap& users, const Graph& graph) {
  const auto found = users.find(product);
  if (found == users.end() || found->second.size() != 1 || graph.is_output(product)) return nullptr;
  Node* user = found->second[0];
  return user->is(Op::Transpose) && user->ints("perm") == kJoined ? user : nullptr;
}

std::optional<Match> match(Node* root, const UserMap& users, const Graph& graph) {
  if (!root->is(Op::MatMul) || root->type.shape.size() != 4) return std::nullopt;
  Node* guarded = guarded_softmax(root->in[0]);
  Node* softmax = guarded ? guarded : root->in[0];
  if (!softmax->is(Op::Softmax)) return std::nullopt;
  if (softmax->int_attr("axis") != 3) return std::nullopt;
  const auto scores = match_scores(softmax->in[0]);
  if (!scores || !can_be_added(scores->terms)) return std::nullopt;
  const auto q = match_heads(scores->product->in[0], kJoined);
  const auto k = match_heads(scores->product->in[1], {0, 2, 3, 1});
  const auto v = match_heads(root->in[1], kJoined);
  if (!q || !k || !v) return std::nullopt;
  Node* joined = joined_heads(root, users, graph);
  const Match found{*q, *k, *v, *scores, joined ? joined : root, guarded != nullptr};
  return agree(found) ? std::optional(found) : std::nullopt;
}

// The i32 [batch,keys] whose non-zeros are the keys that a query sees.
Node* put_seen(Graph& graph, const Node* before, const KeyFunction& f, bool seen_at_one) {
  Node* source = f.source;
  if (!seen_at_one && source->type.dtype == DType::Bool) {
    source = put(graph, before, source, Op::Not, {source});
  } else if (!seen_at_one) {
    Node* zero = put_splat(graph, before, source->type.dtype, 0, source->type.shape);
    source = put(graph, before, source, Op::Equal, {source, zero});
  }
  if (source->type.dtype == DType::I32) return source;
  return put(graph, before, source, Op::Cast,
             {
                 source
  },
             {{"to", std::string("i32")}});
}

// The number that is added to a score in place of writing this one: as large as leaves nothing of
// the score. Beside -1e9 something is left of scores beyond 64, so that number stays only where
// another term may have hidden the same key by it.
double added_instead(double number, DType dtype, bool alone = true) {
  if (std::isfinite(number) && (alone || !absorbs(number)))
    number = std::numeric_limits<float>::lowest();
  return dtype == DType::F16 ? std::max(number, -double{kMaxHalf}) : number;
}

struct Mask {
  std::string kind = "none";
  Node* value = nullptr;
};

// With the number that hides, which decides what a query gets that sees no key.
std::optional<Mask> put_key_mask(Graph& graph, const Node* before, const BiasTerm& term,
                                 const Match& m, KeyFunctions& keys) {
  const auto f = keys.of_scores(term.added ? term.added : term.condition);
  if (!f || f->source->type.shape[0] != m.k.split[0]) return std::nullopt;
  const auto hidden = [&](double at) { return term.added ? hides(at) : (at != 0) != term.unless; };
  const auto seen = [&](double at) { return term.added ? at == 0 : !hidden(at); };
  for (const int hides_at : {0, 1}) {
    if (!hidden(f->at[hides_at]) || !seen(f->at[1 - hides_at])) continue;
    const double number = term.added ? f->at[hides_at] : added_instead(term.number, DType::F32);
    // Scores of -inf alone make NaN; any other number leaves weights that a guard has no say in.
    const bool gives_zero = m.guarded && number < std::numeric_limits<float>::lowest();
    return Mask{gives_zero ? "keys" : keys_hidden_by(number),
                put_seen(graph, before, *f, hides_at == 0)};
  }
  return std::nullopt;
}

// The same value before it was stretched over batch, heads or queries, of rank 4.
Node* put_thin(Graph& graph, const Node* before, Node* value) {
  if (!value->is(Op::Broadcast)) return value;
  Shape shape = value->in[0]->type.shape;
  shape.insert(shape.begin(), 4 - shape.size(), 1);
  return put_reshape(graph, before, value->in[0], shape);
}

// One term and those inside it, which `sum` adds (null: there are none).
Node* put_term(Graph& graph, const Node* before, const BiasTerm& term, Node* sum,
               const TensorType& scores, bool alone) {
  Node* outer = put_thin(graph, before, term.added ? term.added : term.condition);
  if (sum) {
    outer = put_broadcast(graph, before, outer, scores.shape);
    sum = put_broadcast(graph, before, sum, scores.shape);
  }
  if (term.added) return sum ? put(graph, before, outer, Op::Add, {outer, sum}) : outer;
  const Shape& shape = outer->type.shape;
  Node* hide = put_splat(graph, before, scores.dtype,
                         added_instead(term.number, scores.dtype, alone), shape);
  Node* keep = sum ? sum : put_splat(graph, before, scores.dtype, 0, shape);
  if (term.unless) std::swap(hide, keep);
  return put(graph, before, outer, Op::Select, {outer, hide, keep});
}

// Terms stand from the outside in; those inside are summed first.
Mask put_mask(Graph& graph, const Node* before, const Match& m, KeyFunctions& keys) {
  const std::vector<BiasTerm>& terms = m.scores.terms;
  if (terms.empty()) return {m.guarded ? "none+guard" : "none", nullptr};
  if (terms.size() == 1)
    if (auto mask = put_key_mask(graph, before, terms[0], m, keys)) return *mask;
  Node* sum = nullptr;
  for (auto term = terms.rbegin(); term != terms.rend(); ++term)
    sum = put_term(graph, before, *term, sum, m.scores.product->type, terms.size() == 1);
  return {m.guarded ? "bias+guard" : "bias", sum};
}

Node* put_joined(Graph& graph, const Node* before, const Heads& heads) {
  const Shape& s = heads.split;
  Node* source = heads.source;
  if (!heads.order.empty())
    source = put(graph, before, source, Op::Transpose,
                 {
                     source
    },
                 {{"perm", heads.order}});
  if (heads.repeats > 1) {
    Shape groups = {s[0], s[1], s[2] / heads.repeats, 1, s[3]};
    source = put_reshape(graph, before, source, groups);
    groups[3] = heads.repeats;
    source = put_broadcast(graph, before, source, groups);
  }
  return put_reshape(graph, before, source, {s[0], s[1], s[2] * s[3]});
}

}  // namespace

Expected<bool> fuse_attention(Graph& graph, PassState&) {
  bool changed = false;
  const UserMap users = users_of(graph);
  KeyFunctions keys(graph);
  for (const auto& owned : graph.nodes()) {
    const std::optional<Match> m = match(owned.get(), users, graph);
    if (!m) continue;
    Node* replaced = m->replaced;
    const Mask mask = put_mask(graph, replaced, *m, keys);
    std::vector<Node*> in = {put_joined(graph, replaced, m->q), put_joined(graph, replaced, m->k),
                             put_joined(graph, replaced, m->v)};
    if (mask.value) in.push_back(mask.value);
    Node* fused = put(graph, replaced, owned.get(), Op::Attention, std::move(in),
                      {
                          {"heads", m->q.split[2]},
                          {"scale", m->scale()   },
                          {"mask",  mask.kind    }
    });
    Node* rows = put_reshape(graph, replaced, fused, m->q.split);
    if (replaced == owned.get())
      rows = put(graph, replaced, rows, Op::Transpose,
                 {
                     rows
      },
                 {{"perm", kJoined}});
    graph.replace_uses(replaced, rows);
    changed = true;
  }
  return changed;
}

}  // namespace tessera
