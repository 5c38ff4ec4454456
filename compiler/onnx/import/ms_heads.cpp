// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/ms_heads.h"

namespace tessera {
namespace {

struct HiddenSizes {
  int64_t q, k, v;
};

Expected<HiddenSizes> hidden_sizes(Call& call, const Node* qkv, int64_t heads) {
  const int64_t whole = qkv->type.shape.back();
  const std::vector<int64_t> sizes = call.ints_attr("qkv_hidden_sizes");
  if (sizes.empty() && whole % (3 * heads) == 0)
    return HiddenSizes{whole / 3, whole / 3, whole / 3};
  const bool fits = sizes.size() == 3 && sizes[0] > 0 && sizes[0] <= whole &&
                    sizes[1] == sizes[0] && sizes[2] > 0 && sizes[2] <= whole &&
                    sizes[0] + sizes[1] + sizes[2] == whole && sizes[0] % heads == 0 &&
                    sizes[2] % heads == 0;
  if (fits) return HiddenSizes{sizes[0], sizes[1], sizes[2]};
  return call.error("weights make " + std::to_string(whole) + " columns and qkv_hidden_sizes is " +
                    (sizes.empty() ? "left out" : to_string(Shape(sizes))) +
                    ", must be three sizes that add up to the columns, the first two alike, each "
                    "of " +
                    std::to_string(heads) + " heads");
}

// One of the parts of [batch,tokens,heads,parts,depth].
Expected<Node*> packed_part(Call& call, Node* x, int64_t part) {
  Shape shape = x->type.shape, start(5, 0);
  shape[3] = 1;
  start[3] = part;
  const Call::Attrs attrs = {
      {"start", start},
      {"step", Shape(5, 1)},
      {"size", shape}
  };
  Node* slice = TRY(call.add(Op::Slice, {x}, attrs));
  return call.reshape(slice, {shape[0], shape[1], shape[2], shape[4]});
}

Error wrong_shapes(const Call& call, const HeadOperands& of) {
  std::string are;
  for (const Node* x : {of.q, of.k, of.v})
    are += (are.empty() ? "" : ", ") + (x ? to_string(x->type) : "left out");
  return call.error("query, key and value are " + are +
                    ", must be [batch, sequence, hidden] each; or query [batch, sequence, heads, "
                    "3, depth] alone; or key [batch, sequence, heads, 2, depth] without value; or "
                    "key and value [batch, heads, sequence, depth]");
}

// Adds a part of the bias of all projections, where it starts.
Expected<Node*> biased(Call& call, Node* x, Node* bias, int64_t& start) {
  if (!bias) return x;
  const int64_t heads = x->type.shape[2], depth = x->type.shape[3];
  if (bias->type.shape.size() != 1 || start + heads * depth > bias->type.shape[0])
    return call.error("bias is " + to_string(bias->type) +
                      ", must be of all numbers of a query, a key and a value");
  Shape from = {start}, size = {heads * depth};
  const Call::Attrs attrs = {
      {"start", from    },
      {"step",  Shape{1}},
      {"size",  size    }
  };
  start += heads * depth;
  Node* part = TRY(call.add(Op::Slice, {bias}, attrs));
  // Before heads are told apart, where a matmul's bias stands.
  const Shape shape = x->type.shape;
  const bool joined = x->is(Op::Reshape) && x->in[0]->type.shape.size() == 3;
  if (joined) {
    Node* sum = TRY(call.add_broadcast(Op::Add, {x->in[0], part}));
    return call.reshape(sum, shape);
  }
  return call.add_broadcast(Op::Add, {x, TRY(call.reshape(part, {heads, depth}))});
}

Expected<Attending> without_bias(Call& call, const HeadOperands& of, int64_t heads) {
  Node *q = of.q, *k = of.k, *v = of.v;
  const auto is_packed = [&](const Node* x, int64_t parts) {
    const Shape& s = x->type.shape;
    return s.size() == 5 && s[2] == heads && s[3] == parts;
  };
  if (q && !k && !v && is_packed(q, 3))
    return Attending{TRY(packed_part(call, q, 0)), TRY(packed_part(call, q, 1)),
                     TRY(packed_part(call, q, 2))};
  if (!q || q->type.shape.size() != 3 || !k) return wrong_shapes(call, of);
  q = TRY(split_heads(call, q, heads));
  if (!v && is_packed(k, 2))
    return Attending{q, TRY(packed_part(call, k, 0)), TRY(packed_part(call, k, 1))};
  if (!v) return wrong_shapes(call, of);
  const auto is = [&](const Node* x, size_t rank) { return x->type.shape.size() == rank; };
  if (is(k, 3) && is(v, 3))
    return Attending{q, TRY(split_heads(call, k, heads)), TRY(split_heads(call, v, heads))};
  if (is(k, 4) && is(v, 4) && k->type.shape[1] == heads && v->type.shape[1] == heads)
    return Attending{q, TRY(heads_first(call, k)), TRY(heads_first(call, v))};
  return wrong_shapes(call, of);
}

}  // namespace

Expected<int64_t> heads_of(Call& call) {
  const int64_t heads = call.attr("num_heads", int64_t{0});
  if (heads > 0 && heads <= 1 << 20) return heads;
  return call.error("num_heads is " + std::to_string(heads) + ", must be from 1 to " +
                    std::to_string(1 << 20));
}

Expected<Node*> heads_first(Call& call, Node* x) { return call.transpose(x, {0, 2, 1, 3}); }

Expected<Attending> projected(Call& call, Node* x, Node* weights, Node* bias, int64_t heads) {
  const Shape &hidden = x->type.shape, &matrix = weights->type.shape;
  if (hidden.size() != 3 || matrix.size() != 2 || matrix[0] != hidden[2] ||
      (bias && bias->type.shape != Shape{matrix[1]}))
    return call.error("inputs are " + to_string(x->type) + ", " + to_string(weights->type) +
                      (bias ? " and " + to_string(bias->type) : std::string()) +
                      ", must be [batch, sequence, hidden], [hidden, n] and [n]");
  Node* qkv = TRY(call.add(Op::MatMul, {x, weights}));
  if (bias) qkv = TRY(call.add_broadcast(Op::Add, {qkv, bias}));
  return thirds(call, qkv, heads);
}

Expected<Attending> thirds(Call& call, Node* qkv, int64_t heads) {
  if (qkv->type.shape.size() != 3)
    return call.error("queries, keys and values are " + to_string(qkv->type) +
                      ", must be [batch, sequence, n]");
  const HiddenSizes size = TRY(hidden_sizes(call, qkv, heads));
  return Attending{
      TRY(split_heads(call, TRY(last_part(call, qkv, 0, size.q)), heads)),
      TRY(split_heads(call, TRY(last_part(call, qkv, size.q, size.k)), heads)),
      TRY(split_heads(call, TRY(last_part(call, qkv, size.q + size.k, size.v)), heads))};
}

Expected<Attending> told_apart(Call& call, const HeadOperands& of, int64_t heads) {
  Attending a = TRY(without_bias(call, of, heads));
  int64_t start = 0;
  a.q = TRY(biased(call, a.q, of.bias, start));
  if (of.k && of.k->type.shape.size() == 4) return a;
  a.k = TRY(biased(call, a.k, of.bias, start));
  a.v = TRY(biased(call, a.v, of.bias, start));
  return a;
}

}  // namespace tessera
