// SPDX-License-Identifier: Apache-2.0
// com.microsoft's Attention and MultiHeadAttention, as ONNX Runtime's transformer optimizer writes
// them for encoders: taken apart again, for the passes to find.
#include "compiler/onnx/import/attend.h"
#include "compiler/onnx/import/key_padding.h"
#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

// One of the parts that stand side by side along the last axis.
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

// What both say in the same attributes. The mask and the bias are these operands.
Status add_masks(Call& call, Attending& a, size_t mask, const char* mask_name, size_t bias) {
  const DType dtype = a.q->type.dtype;
  const double filter = call.attr("mask_filter_value", -10000.0);
  const AttendedSizes size = {a.q->type.shape[0], a.q->type.shape[1], a.k->type.shape[1]};
  a.scale = call.attr("scale", 0.0);
  if (call.in(bias)) a.added.push_back(call.in(bias));
  if (call.in(mask))
    a.added.push_back(
        TRY(hiding(call, TRY(seen_keys(call, mask, mask_name, size)), filter, dtype)));
  if (call.attr("unidirectional", int64_t{0}) != 0) {
    Node* seen = TRY(seen_before(call, size.queries, size.keys));
    a.added.push_back(TRY(hiding(call, seen, lowest(dtype), dtype)));
  }
  return {};
}

// [batch,tokens,heads,depth] with or as [batch,heads,tokens,depth].
Expected<Node*> heads_first(Call& call, Node* x) { return call.transpose(x, {0, 2, 1, 3}); }

struct HiddenSizes {
  int64_t q, k, v;
};

Expected<HiddenSizes> hidden_sizes(Call& call, int64_t heads) {
  const int64_t whole = call.shape(1)[1];
  const std::vector<int64_t> sizes = call.ints_attr("qkv_hidden_sizes");
  if (sizes.empty() && whole % (3 * heads) == 0)
    return HiddenSizes{whole / 3, whole / 3, whole / 3};
  const bool fits = sizes.size() == 3 && sizes[0] > 0 && sizes[0] <= whole &&
                    sizes[1] == sizes[0] && sizes[2] > 0 && sizes[2] <= whole &&
                    sizes[0] + sizes[1] + sizes[2] == whole && sizes[0] % heads == 0 &&
                    sizes[2] % heads == 0;
  if (fits) return HiddenSizes{sizes[0], sizes[1], sizes[2]};
  return call.error("weights are " + to_string(call.in(1)->type) + " and qkv_hidden_sizes " +
                    (sizes.empty() ? "left out" : to_string(Shape(sizes))) +
                    ", must be three sizes that add up to the columns, the first two alike, each "
                    "of " +
                    std::to_string(heads) + " heads");
}

Expected<int64_t> heads_of(Call& call) {
  const int64_t heads = call.attr("num_heads", int64_t{0});
  if (heads > 0 && heads <= 1 << 20) return heads;
  return call.error("num_heads is " + std::to_string(heads) + ", must be from 1 to " +
                    std::to_string(1 << 20));
}

// Refuses, by name, what only a decoder that keeps keys and values has.
Status check_no_past(Call& call, std::initializer_list<size_t> inputs) {
  for (const size_t i : inputs)
    if (call.in(i))
      return call.error("takes past keys and values (input " + std::to_string(i) +
                        "), must not: give the whole sequence in one call");
  return {};
}

}  // namespace

Status ms_attention(Call& call) {
  TRY(check_no_past(call, {4, 6}));
  if (call.attr("do_rotary", int64_t{0}) != 0)
    return call.error(
        "do_rotary is on, must be off: give queries and keys that are turned already "
        "to MultiHeadAttention");
  if (call.attr("past_present_share_buffer", int64_t{0}) != 0)
    return call.error("past_present_share_buffer is on, must be off: it is a decoder's");
  const int64_t heads = TRY(heads_of(call));
  Node* bias = call.in(2);
  if (call.rank(0) != 3 || call.rank(1) != 2 || call.shape(1)[0] != call.shape(0)[2] ||
      (bias && bias->type.shape != Shape{call.shape(1)[1]}))
    return call.error("inputs are " + to_string(call.in(0)->type) + ", " +
                      to_string(call.in(1)->type) +
                      (bias ? " and " + to_string(bias->type) : std::string()) +
                      ", must be [batch, sequence, hidden], [hidden, n] and [n]");
  const HiddenSizes size = TRY(hidden_sizes(call, heads));
  Node* qkv = TRY(call.add(Op::MatMul, {call.in(0), call.in(1)}));
  if (bias) qkv = TRY(call.add_broadcast(Op::Add, {qkv, bias}));
  Attending a{TRY(split_heads(call, TRY(last_part(call, qkv, 0, size.q)), heads)),
              TRY(split_heads(call, TRY(last_part(call, qkv, size.q, size.k)), heads)),
              TRY(split_heads(call, TRY(last_part(call, qkv, size.q + size.k, size.v)), heads))};
  TRY(add_masks(call, a, 3, "mask_index", 5));
  call.bind(0, TRY(attend(call, a)));
  if (!call.wants(1)) return {};
  // What a decoder would keep: keys, and behind them values.
  if (size.k != size.v)
    return call.error("returns keys and values in one (output 1), must not: they differ in size");
  std::vector<Node*> present;
  for (Node* x : {a.k, a.v}) {
    Shape shape = {1};
    x = TRY(heads_first(call, x));
    shape.insert(shape.end(), x->type.shape.begin(), x->type.shape.end());
    present.push_back(TRY(call.reshape(x, shape)));
  }
  return call.result(Op::Concat, present, with("axis", int64_t{0}), 1);
}

namespace {

enum MultiHeadInput : size_t { kQuery, kKey, kValue, kBias, kPadding, kAdded };

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

Error wrong_shapes(Call& call) {
  std::string are;
  for (const size_t i : {kQuery, kKey, kValue})
    are += (i == kQuery ? "" : ", ") + (call.in(i) ? to_string(call.in(i)->type) : "left out");
  return call.error("query, key and value are " + are +
                    ", must be [batch, sequence, hidden] each; or query [batch, sequence, heads, "
                    "3, depth] alone; or key [batch, sequence, heads, 2, depth] without value; or "
                    "key and value [batch, heads, sequence, depth]");
}

// Adds a part of the bias of all projections, where it starts.
Expected<Node*> biased(Call& call, Node* x, int64_t& start) {
  if (!call.in(kBias)) return x;
  const int64_t heads = x->type.shape[2], depth = x->type.shape[3];
  if (call.rank(kBias) != 1 || start + heads * depth > call.shape(kBias)[0])
    return call.error("bias is " + to_string(call.in(kBias)->type) +
                      ", must be of all numbers of a query, a key and a value");
  Shape from = {start}, size = {heads * depth};
  const Call::Attrs attrs = {
      {"start", from    },
      {"step",  Shape{1}},
      {"size",  size    }
  };
  start += heads * depth;
  Node* part = TRY(call.add(Op::Slice, {call.in(kBias)}, attrs));
  // Before heads are told apart, where a matmul's bias stands.
  const Shape shape = x->type.shape;
  const bool joined = x->is(Op::Reshape) && x->in[0]->type.shape.size() == 3;
  if (joined) {
    Node* sum = TRY(call.add_broadcast(Op::Add, {x->in[0], part}));
    return call.reshape(sum, shape);
  }
  return call.add_broadcast(Op::Add, {x, TRY(call.reshape(part, {heads, depth}))});
}

Expected<Attending> told_apart(Call& call, int64_t heads) {
  Node *q = call.in(kQuery), *k = call.in(kKey), *v = call.in(kValue);
  const auto is_packed = [&](const Node* x, int64_t parts) {
    const Shape& s = x->type.shape;
    return s.size() == 5 && s[2] == heads && s[3] == parts;
  };
  if (q && !k && !v && is_packed(q, 3))
    return Attending{TRY(packed_part(call, q, 0)), TRY(packed_part(call, q, 1)),
                     TRY(packed_part(call, q, 2))};
  if (!q || q->type.shape.size() != 3 || !k) return wrong_shapes(call);
  q = TRY(split_heads(call, q, heads));
  if (!v && is_packed(k, 2))
    return Attending{q, TRY(packed_part(call, k, 0)), TRY(packed_part(call, k, 1))};
  if (!v) return wrong_shapes(call);
  const auto is = [&](const Node* x, size_t rank) { return x->type.shape.size() == rank; };
  if (is(k, 3) && is(v, 3))
    return Attending{q, TRY(split_heads(call, k, heads)), TRY(split_heads(call, v, heads))};
  if (is(k, 4) && is(v, 4) && k->type.shape[1] == heads && v->type.shape[1] == heads)
    return Attending{q, TRY(heads_first(call, k)), TRY(heads_first(call, v))};
  return wrong_shapes(call);
}

}  // namespace

Status multi_head_attention(Call& call) {
  TRY(check_no_past(call, {6, 7, 8, 9}));
  if (call.wants(3)) return call.error("returns scores (output 3), must not");
  const int64_t heads = TRY(heads_of(call));
  Attending a = TRY(told_apart(call, heads));
  int64_t start = 0;
  // Keys and values of an earlier call, by heads already, hold their bias.
  const bool has_own_bias = call.in(kKey) && call.rank(kKey) == 4;
  a.q = TRY(biased(call, a.q, start));
  if (!has_own_bias) {
    a.k = TRY(biased(call, a.k, start));
    a.v = TRY(biased(call, a.v, start));
  }
  TRY(add_masks(call, a, kPadding, "key_padding_mask", kAdded));
  call.bind(0, TRY(attend(call, a)));
  if (call.wants(1)) call.bind(1, TRY(heads_first(call, a.k)));
  if (call.wants(2)) call.bind(2, TRY(heads_first(call, a.v)));
  return {};
}

}  // namespace tessera::handlers
