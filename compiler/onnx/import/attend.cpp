// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/attend.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "support/half.h"

namespace tessera {
namespace {

int64_t depth_of(const Node* x) { return x->type.shape[3]; }

// Zeros behind each head: they change no score, and in values they are cut off again.
Expected<Node*> deepened(Call& call, Node* x, int64_t depth) {
  Shape added = x->type.shape;
  added[3] = depth - added[3];
  if (added[3] == 0) return x;
  Node* zeros = TRY(call.full({x->type.dtype, added}, 0));
  return call.add(Op::Concat, {x, zeros}, with("axis", int64_t{3}));
}

// Each head of [batch,heads,tokens,depth] so often that there are as many as of the queries.
Expected<Node*> repeated(Call& call, Node* x, int64_t heads) {
  const Shape s = x->type.shape;
  if (s[1] == heads) return x;
  x = TRY(call.reshape(x, {s[0], s[1], 1, s[2], s[3]}));
  x = TRY(call.broadcast(x, {s[0], s[1], heads / s[1], s[2], s[3]}));
  return call.reshape(x, {s[0], heads, s[2], s[3]});
}

Status check_sizes(Call& call, const Attending& a) {
  const Shape &q = a.q->type.shape, &k = a.k->type.shape, &v = a.v->type.shape;
  const bool fits = q.size() == 4 && k.size() == 4 && v.size() == 4 && q[0] == k[0] &&
                    k[0] == v[0] && k[1] == v[1] && k[2] == v[2] && q[3] == k[3] && k[2] > 0 &&
                    q[2] % k[2] == 0 && q[3] > 0;
  if (fits) return {};
  return call.error("queries, keys and values are " + to_string(a.q->type) + ", " +
                    to_string(a.k->type) + " and " + to_string(a.v->type) +
                    ", must be [batch, tokens, heads, depth] of one batch, with queries and keys "
                    "as deep and queries of as many heads or a multiple");
}

Expected<Node*> scored(Call& call, const Attending& a, Node* q, Node* k) {
  Node* scores = TRY(call.add(Op::MatMul, {q, TRY(call.transpose(k, {0, 1, 3, 2}))}));
  const double scale = a.scale != 0 ? a.scale : 1 / std::sqrt(static_cast<double>(depth_of(a.q)));
  scores = TRY(call.add(Op::Mul, {scores, TRY(call.like(scores, scale))}));
  if (a.softcap != 0) {
    Node* cap = TRY(call.like(scores, a.softcap));
    Node* bent = TRY(call.add(Op::Tanh, {TRY(call.add(Op::Div, {scores, cap}))}));
    scores = TRY(call.add(Op::Mul, {bent, cap}));
  }
  const Shape shape = scores->type.shape;
  for (Node* added : a.added) {
    scores = TRY(call.add_broadcast(Op::Add, {scores, added}));
    if (scores->type.shape != shape)
      return call.error("what is added to the scores is " + to_string(added->type) +
                        ", must stretch to " + to_string(shape));
  }
  return scores;
}

}  // namespace

Expected<Node*> attend(Call& call, const Attending& a) {
  TRY(check_sizes(call, a));
  const int64_t heads = a.q->type.shape[2], depth = depth_of(a.v);
  const int64_t deepest = std::max(depth, depth_of(a.q));
  std::vector<Node*> by_head;
  for (Node* x : {a.q, a.k, a.v}) {
    x = TRY(call.transpose(TRY(deepened(call, x, deepest)), {0, 2, 1, 3}));
    by_head.push_back(TRY(repeated(call, x, heads)));
  }
  Node* scores = TRY(scored(call, a, by_head[0], by_head[1]));
  Node* weights = TRY(call.add(Op::Softmax, {scores}, with("axis", int64_t{3})));
  Node* out = TRY(call.add(Op::MatMul, {weights, by_head[2]}));
  out = TRY(call.transpose(out, {0, 2, 1, 3}));
  Shape shape = out->type.shape;
  if (depth != deepest) {
    shape[3] = depth;
    const Call::Attrs part = {
        {"start", Shape{0, 0, 0, 0}},
        {"step",  Shape{1, 1, 1, 1}},
        {"size",  shape            }
    };
    out = TRY(call.add(Op::Slice, {out}, part));
  }
  return call.reshape(out, {shape[0], shape[1], heads * depth});
}

Expected<Node*> by_heads(Call& call, size_t i, const char* attribute) {
  const Shape& shape = call.shape(i);
  const int64_t heads = call.attr(attribute, int64_t{0});
  if (shape.size() == 4) return call.in(i);
  if (shape.size() != 3 || heads < 1 || shape[2] % heads != 0)
    return call.error("input " + std::to_string(i) + " is " + to_string(call.in(i)->type) +
                      " and " + attribute + " is " + std::to_string(heads) +
                      ", must be [batch, heads, sequence, depth], or [batch, sequence, hidden] "
                      "where hidden is a multiple of " +
                      attribute);
  return call.transpose(TRY(split_heads(call, call.in(i), heads)), {0, 2, 1, 3});
}

Expected<Node*> split_heads(Call& call, Node* x, int64_t heads) {
  const Shape s = x->type.shape;
  if (s.size() != 3 || heads < 1 || s[2] % heads != 0)
    return call.error("an operand is " + to_string(x->type) +
                      ", must be [batch, tokens, hidden] with hidden of " + std::to_string(heads) +
                      " heads");
  return call.reshape(x, {s[0], s[1], heads, s[2] / heads});
}

Expected<Node*> last_part(Call& call, Node* x, int64_t start, int64_t size) {
  Shape shape = x->type.shape, from(shape.size(), 0);
  if (shape.back() == size) return x;
  shape.back() = size;
  from.back() = start;
  const Call::Attrs part = {
      {"start", from},
      {"step", Shape(from.size(), 1)},
      {"size", shape}
  };
  return call.add(Op::Slice, {x}, part);
}

Expected<Node*> hiding(Call& call, Node* seen, double number, DType dtype) {
  const TensorType type{dtype, seen->type.shape};
  number = std::max(number, lowest(dtype));
  return call.add(Op::Select, {seen, TRY(call.full(type, 0)), TRY(call.full(type, number))});
}

double lowest(DType dtype) {
  return dtype == DType::F16 ? -double{kMaxHalf} : double{std::numeric_limits<float>::lowest()};
}

Expected<Node*> counting(Call& call, const Shape& shape) {
  const int64_t size = elements(shape);
  if (!call.spend(size))
    return call.error("has a sequence of " + std::to_string(size) + ", must be shorter");
  Array count{
      {DType::I32, shape},
      std::vector<double>(static_cast<size_t>(size))
  };
  std::iota(count.data.begin(), count.data.end(), 0);
  return call.constant(count);
}

Expected<Node*> seen_before(Call& call, int64_t queries, int64_t keys, int64_t window) {
  Node* key = TRY(counting(call, {1, 1, 1, keys}));
  Node* query = TRY(counting(call, {1, 1, queries, 1}));
  Node* seen = TRY(call.add(Op::Not, {TRY(call.add_broadcast(Op::Less, {query, key}))}));
  if (window == 0) return seen;
  Node* first = TRY(call.add(Op::Sub, {query, TRY(call.like(query, static_cast<double>(window)))}));
  return call.add(Op::And, {seen, TRY(call.add_broadcast(Op::Less, {first, key}))});
}

Expected<Node*> before_end(Call& call, Node* ends, int64_t keys) {
  const int64_t batch = elements(ends->type.shape);
  Node* column = TRY(call.reshape(ends, {batch, 1}));
  return call.add_broadcast(Op::Less, {TRY(counting(call, {1, keys})), column});
}

}  // namespace tessera
