// SPDX-License-Identifier: Apache-2.0
// com.microsoft's RotaryEmbedding and GroupQueryAttention, as ONNX Runtime's optimizers write them
// for encoders of the decoder type: the whole sequence at once, with no keys kept from before.
#include "compiler/onnx/import/attend.h"
#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

struct Rotation {
  Node *cos, *sin;  // [positions,pairs]
  Node* positions;  // [1 or batch,tokens]
  bool neighbours;  // a pair stands side by side, not half a head apart
};

// A number for each of a head, of tables with one for each pair: the first of a pair gets `sign`.
Expected<Node*> whole_heads(Call& call, Node* table, bool neighbours, double sign) {
  const Shape s = table->type.shape;
  Node* first = table;
  if (sign < 0) first = TRY(call.add(Op::Mul, {table, TRY(call.like(table, sign))}));
  if (!neighbours) return call.add(Op::Concat, {first, table}, with("axis", int64_t{1}));
  std::vector<Node*> columns;
  for (Node* one : {first, table}) columns.push_back(TRY(call.reshape(one, {s[0], s[1], 1})));
  Node* pairs = TRY(call.add(Op::Concat, columns, with("axis", int64_t{2})));
  return call.reshape(pairs, {s[0], 2 * s[1]});
}

// x is [batch,tokens,heads,depth], of which the first numbers of each head are rotated.
Expected<Node*> rotated(Call& call, Node* x, const Rotation& by) {
  const Shape s = x->type.shape;
  const int64_t width = 2 * by.cos->type.shape[1];
  Node* part = TRY(call.reshape(TRY(last_part(call, x, 0, width)), {s[0], s[1], s[2] * width}));
  std::vector<Node*> operands = {part};
  for (const auto& [table, sign] : {std::pair(by.cos, 1.0), std::pair(by.sin, -1.0)}) {
    Node* each = TRY(whole_heads(call, table, by.neighbours, sign));
    each = TRY(call.add(Op::Gather, {each, by.positions}, with("axis", int64_t{0})));
    operands.push_back(TRY(call.cast(each, x->type.dtype)));
  }
  const Call::Attrs attrs = {
      {"heads", s[2]                                           },
      {"form",  std::string(by.neighbours ? "pairs" : "halves")}
  };
  Node* out = TRY(call.add(Op::Rotary, operands, attrs));
  out = TRY(call.reshape(out, {s[0], s[1], s[2], width}));
  if (width == s[3]) return out;
  Node* rest = TRY(last_part(call, x, width, s[3] - width));
  return call.add(Op::Concat, {out, rest}, with("axis", int64_t{3}));
}

// The tables of angles, whose rows are positions.
Status check_tables(Call& call, Node* cos, Node* sin, int64_t depth) {
  const Shape& shape = cos->type.shape;
  const bool fits =
      shape.size() == 2 && sin->type.shape == shape && shape[1] > 0 && 2 * shape[1] <= depth;
  if (fits) return {};
  return call.error("cos_cache and sin_cache are " + to_string(cos->type) + " and " +
                    to_string(sin->type) + ", must be [positions, pairs] with at most " +
                    std::to_string(depth / 2) + " pairs in a head");
}

enum RotaryInput : size_t { kX, kAt, kCos, kSin };

// [1]: where the first token of every row stands. [batch,tokens]: where each does.
Expected<Node*> positions_of(Call& call, int64_t batch, int64_t tokens) {
  Node* at = call.in(kAt);
  if (at->type.shape == Shape{batch, tokens} && at->type.shape != Shape{1}) return at;
  if (elements(at->type.shape) != 1 || at->type.shape.size() > 1)
    return call.error("position_ids is " + to_string(at->type) + ", must be [1] or [" +
                      std::to_string(batch) + "," + std::to_string(tokens) + "]");
  Node* places = TRY(counting(call, {1, tokens}));
  return call.add_broadcast(Op::Add, {places, TRY(call.reshape(at, {1, 1}))});
}

}  // namespace

Status ms_rotary_embedding(Call& call) {
  if (call.attr("is_packed_batching", int64_t{0}) != 0)
    return call.error("is_packed_batching is on, must be off: rows must be of one length");
  const Shape shape = call.shape(kX);
  const int64_t table_width = call.rank(kCos) == 2 ? 2 * call.shape(kCos)[1] : 0;
  const int64_t width = call.attr("rotary_embedding_dim", int64_t{0});
  const bool by_heads = shape.size() == 4;
  int64_t heads = by_heads ? shape[1] : call.attr("num_heads", int64_t{0});
  if (heads == 0 && shape.size() == 3 && table_width > 0 && width == 0)
    heads = shape[2] / table_width;
  const bool fits = by_heads || (shape.size() == 3 && heads > 0 && shape[2] % heads == 0);
  if (!fits || (width != 0 && width != table_width))
    return call.error(
        "input is " + to_string(call.in(kX)->type) + ", num_heads " + std::to_string(heads) +
        " and rotary_embedding_dim " + std::to_string(width) +
        ", must be [batch, heads, sequence, depth], or [batch, sequence, hidden] where "
        "hidden is a multiple of num_heads; rotary_embedding_dim must be 0 or twice "
        "the width of cos_cache");
  Node* x = by_heads ? TRY(call.transpose(call.in(kX), {0, 2, 1, 3}))
                     : TRY(split_heads(call, call.in(kX), heads));
  const Shape split = x->type.shape;
  TRY(check_tables(call, call.in(kCos), call.in(kSin), split[3]));
  Node* positions = TRY(positions_of(call, split[0], split[1]));
  const bool neighbours = call.attr("interleaved", int64_t{0}) != 0;
  const double scale = call.attr("scale", 1.0);
  if (scale != 1)
    return call.error("scale is " + std::to_string(scale) +
                      ", must be 1: multiply cos_cache and sin_cache by it");
  Node* out = TRY(rotated(call, x, {call.in(kCos), call.in(kSin), positions, neighbours}));
  if (by_heads) return call.result(Op::Transpose, {out}, with("perm", Shape{0, 2, 1, 3}));
  return call.result(Op::Reshape, {out}, with("shape", shape));
}

namespace {

enum GroupInput : size_t {
  kQuery,
  kKey,
  kValue,
  kPastKey,
  kPastValue,
  kLast,
  kTotal,
  kCosines,
  kSines,
  kPositions,
  kAdded,
  kSink,
  kKeyScale,
  kValueScale,
  kQueryNorm,
  kKeyNorm,
  kQueryLengths
};

// Refuses, by name, what only a decoder has, or what no encoder was seen with.
Status check_prompt(Call& call) {
  constexpr std::pair<size_t, const char*> kRefused[] = {
      {kSink,         "head_sink"    },
      {kKeyScale,     "k_scale"      },
      {kValueScale,   "v_scale"      },
      {kQueryNorm,    "q_norm_weight"},
      {kKeyNorm,      "k_norm_weight"},
      {kQueryLengths, "query_seqlens"}
  };
  for (const size_t i : {kPastKey, kPastValue})
    if (call.in(i) && elements(call.shape(i)) > 0)
      return call.error("takes past keys and values (input " + std::to_string(i) +
                        "), must not: give the whole sequence in one call");
  for (const auto& [i, name] : kRefused)
    if (call.in(i)) return call.error(std::string(name) + " is given, must be left out");
  for (const char* name : {"smooth_softmax", "qk_output", "sliding_window_cache"})
    if (call.attr(name, int64_t{0}) > 0)
      return call.error(std::string(name) + " is on, must be off");
  for (const char* name : {"k_quant_type", "v_quant_type"})
    if (const std::string kind = call.attr(name, "NONE"); kind != "NONE")
      return call.error(std::string(name) + " is '" + kind + "', must be 'NONE'");
  if (call.wants(3)) return call.error("returns scores (output 3), must not");
  return call.need({kQuery, kLast, kTotal});
}

struct GroupHeads {
  int64_t queries, keys;
};

Expected<GroupHeads> group_heads(Call& call) {
  const GroupHeads heads{call.attr("num_heads", int64_t{0}), call.attr("kv_num_heads", int64_t{0})};
  const bool fits = heads.queries > 0 && heads.keys > 0 && heads.queries <= 1 << 20 &&
                    heads.queries % heads.keys == 0;
  if (fits) return heads;
  return call.error("num_heads is " + std::to_string(heads.queries) + " and kv_num_heads " +
                    std::to_string(heads.keys) +
                    ", must be at least 1, the first a multiple of the second");
}

Expected<Attending> operands(Call& call, const GroupHeads& heads) {
  Node* query = call.in(kQuery);
  if (call.in(kKey) && call.in(kValue))
    return Attending{TRY(split_heads(call, query, heads.queries)),
                     TRY(split_heads(call, call.in(kKey), heads.keys)),
                     TRY(split_heads(call, call.in(kValue), heads.keys))};
  if (call.in(kKey) || call.in(kValue))
    return call.error("has a key or a value alone, must have both or neither");
  const int64_t all = heads.queries + 2 * heads.keys;
  Node* x = TRY(split_heads(call, query, all));
  const int64_t depth = x->type.shape[3];
  return Attending{
      TRY(split_heads(call, TRY(last_part(call, query, 0, heads.queries * depth)), heads.queries)),
      TRY(split_heads(call, TRY(last_part(call, query, heads.queries * depth, heads.keys * depth)),
                      heads.keys)),
      TRY(split_heads(
          call,
          TRY(last_part(call, query, (heads.queries + heads.keys) * depth, heads.keys * depth)),
          heads.keys))};
}

Status rotate_by_places(Call& call, Attending& a) {
  if (call.attr("do_rotary", int64_t{0}) == 0) return {};
  TRY(call.need({kCosines, kSines}));
  TRY(check_tables(call, call.in(kCosines), call.in(kSines), a.q->type.shape[3]));
  const int64_t batch = a.q->type.shape[0], tokens = a.q->type.shape[1];
  Node* positions = call.in(kPositions);
  if (positions && positions->type.shape != Shape{batch, tokens})
    return call.error("position_ids is " + to_string(positions->type) + ", must be [" +
                      std::to_string(batch) + "," + std::to_string(tokens) + "]");
  if (!positions) positions = TRY(counting(call, {1, tokens}));
  const Rotation by{call.in(kCosines), call.in(kSines), positions,
                    call.attr("rotary_interleaved", int64_t{0}) != 0};
  a.q = TRY(rotated(call, a.q, by));
  a.k = TRY(rotated(call, a.k, by));
  return {};
}

// Keys that come no later than the query, in its window, and before the end of the row.
Status add_group_masks(Call& call, Attending& a) {
  const int64_t batch = a.q->type.shape[0], queries = a.q->type.shape[1], keys = a.k->type.shape[1];
  const DType dtype = a.q->type.dtype;
  const int64_t window = call.attr("local_window_size", int64_t{-1});
  const bool causal = call.attr("causal", int64_t{1}) != 0;
  if (window != -1 && (window < 1 || !causal))
    return call.error("local_window_size is " + std::to_string(window) +
                      ", must be -1, or at least 1 where attention is causal");
  if (call.in(kAdded)) a.added.push_back(call.in(kAdded));
  if (causal) {
    Node* seen = TRY(seen_before(call, queries, keys, window == -1 ? 0 : window));
    a.added.push_back(TRY(hiding(call, seen, lowest(dtype), dtype)));
  }
  Node* last = call.in(kLast);
  if (last->type.dtype != DType::I32 || elements(last->type.shape) != batch)
    return call.error("seqlens_k is " + to_string(last->type) + ", must be i32[" +
                      std::to_string(batch) + "]");
  Node* ends = TRY(call.reshape(last, {batch}));
  ends = TRY(call.add(Op::Add, {ends, TRY(call.like(ends, 1))}));
  Node* seen = TRY(call.reshape(TRY(before_end(call, ends, keys)), {batch, 1, 1, keys}));
  a.added.push_back(TRY(hiding(call, seen, lowest(dtype), dtype)));
  return {};
}

}  // namespace

Status group_query_attention(Call& call) {
  TRY(check_prompt(call));
  Attending a = TRY(operands(call, TRY(group_heads(call))));
  a.scale = call.attr("scale", 0.0);
  a.softcap = call.attr("softcap", 0.0);
  TRY(rotate_by_places(call, a));
  TRY(add_group_masks(call, a));
  call.bind(0, TRY(attend(call, a)));
  if (call.wants(1)) call.bind(1, TRY(call.transpose(a.k, {0, 2, 1, 3})));
  if (call.wants(2)) call.bind(2, TRY(call.transpose(a.v, {0, 2, 1, 3})));
  return {};
}

}  // namespace tessera::handlers
