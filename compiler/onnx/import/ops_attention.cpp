// SPDX-License-Identifier: Apache-2.0
// ONNX's own Attention (opset 23), taken apart for the passes to find: the parts are those that
// PyTorch's exporters write for older opsets.
#include <cmath>

#include "compiler/onnx/import/attend.h"
#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

enum AttentionInput : size_t { kQ, kK, kV, kMask, kPastKey, kPastValue, kLengths };
enum AttentionOutput : size_t { kY, kPresentKey, kPresentValue, kScores };
enum ScoresMode : int64_t { kRaw, kCapped, kMasked, kWeights };

// Refuses, by name, what only a decoder has.
Status check_encoder(Call& call) {
  constexpr const char* kIn[] = {"past_key", "past_value", "nonpad_kv_seqlen"};
  for (const size_t i : {kPastKey, kPastValue, kLengths})
    if (call.in(i))
      return call.error(std::string(kIn[i - kPastKey]) +
                        " is given, must be left out: keys come with their queries");
  for (const size_t i : {kPresentKey, kPresentValue})
    if (call.wants(i))
      return call.error(std::string(i == kPresentKey ? "present_key" : "present_value") +
                        " is used, must be left out: no keys are kept");
  const int64_t precision = call.attr("softmax_precision", int64_t{1});
  if (precision == ::onnx::TensorProto::DOUBLE)
    call.warn("softmax_precision is float64, taken as float32");
  else if (precision != ::onnx::TensorProto::FLOAT && precision != ::onnx::TensorProto::FLOAT16 &&
           precision != ::onnx::TensorProto::BFLOAT16)
    return call.error("softmax_precision is " + std::to_string(precision) +
                      ", must be 1 (float32), 10 (float16), 11 (float64) or 16 (bfloat16)");
  return {};
}

struct Operands {
  Node *q, *k, *v;
};

Expected<Operands> operands_by_heads(Call& call) {
  const Operands of{TRY(by_heads(call, kQ, "q_num_heads")), TRY(by_heads(call, kK, "kv_num_heads")),
                    TRY(by_heads(call, kV, "kv_num_heads"))};
  const Shape &q = of.q->type.shape, &k = of.k->type.shape, &v = of.v->type.shape;
  const bool one_rank = call.rank(kQ) == call.rank(kK) && call.rank(kK) == call.rank(kV);
  const bool fits = one_rank && q[0] == k[0] && q[3] == k[3] && v[0] == k[0] && v[1] == k[1] &&
                    v[2] == k[2] && q[3] > 0 && k[1] > 0 && q[1] % k[1] == 0;
  if (fits) return of;
  return call.error("inputs are " + to_string(call.in(kQ)->type) + ", " +
                    to_string(call.in(kK)->type) + " and " + to_string(call.in(kV)->type) +
                    ", must be [batch, heads, sequence, depth] or [batch, sequence, hidden] of one "
                    "batch, keys as deep as queries, values as many as keys, and query heads a "
                    "multiple of theirs");
}

// Each head so often that every query head has its own.
Expected<Node*> repeated(Call& call, Node* x, int64_t heads) {
  const Shape one = x->type.shape;
  if (one[1] == heads) return x;
  const int64_t times = heads / one[1];
  Node* single = TRY(call.reshape(x, {one[0], one[1], 1, one[2], one[3]}));
  Node* all = TRY(call.broadcast(single, {one[0], one[1], times, one[2], one[3]}));
  return call.reshape(all, {one[0], heads, one[2], one[3]});
}

// Bools [1,1,queries,keys] of is_causal and the windows; null if a query may see every key.
Expected<Node*> seen_by_place(Call& call, int64_t queries, int64_t keys) {
  const bool causal = call.attr("is_causal", int64_t{0}) != 0;
  const int64_t left = call.attr("left_window_size", int64_t{-1});
  const int64_t named = call.attr("right_window_size", int64_t{-1});
  const int64_t right = causal ? 0 : named;
  if (left < -1 || named < -1)
    return call.error("left_window_size is " + std::to_string(left) + " and right_window_size is " +
                      std::to_string(named) + ", must be at least -1");
  if (left == -1 && right == -1) return nullptr;
  if (!call.spend(queries, keys))
    return call.error("has " + std::to_string(queries) + " queries and " + std::to_string(keys) +
                      " keys, must have fewer where each sees others");
  Array seen{
      {DType::Bool, {queries, keys}},
      {}
  };
  for (int64_t i = 0; i < queries; ++i)
    for (int64_t j = 0; j < keys; ++j)
      seen.data.push_back((left == -1 || i - j <= left) && (right == -1 || j - i <= right));
  return call.constant(seen);
}

// A mask that ends before the last key hides those behind its end.
Expected<Node*> lengthened(Call& call, Node* mask, int64_t keys) {
  Shape shape = mask->type.shape;
  if (shape.empty() || shape.back() == 1 || shape.back() >= keys) return mask;
  shape.back() = keys - shape.back();
  const bool bools = mask->type.dtype == DType::Bool;
  Node* rest = TRY(call.full({mask->type.dtype, shape}, bools ? 0 : -HUGE_VAL));
  const auto last = static_cast<int64_t>(shape.size()) - 1;
  return call.add(Op::Concat, {mask, rest}, with("axis", last));
}

Expected<Node*> hidden_unless(Call& call, Node* seen, DType dtype) {
  const TensorType type{dtype, seen->type.shape};
  return call.add(Op::Select, {seen, TRY(call.full(type, 0)), TRY(call.full(type, -HUGE_VAL))});
}

// Scores and all that is added to them. A mask of bools hides where it is false.
Expected<Node*> masked(Call& call, Node* scores) {
  const Shape shape = scores->type.shape;
  const DType dtype = scores->type.dtype;
  Node* place = TRY(seen_by_place(call, shape[2], shape[3]));
  Node* mask = call.in(kMask);
  if (mask && mask->type.dtype == DType::Bool) {
    mask = TRY(lengthened(call, mask, shape[3]));
    place = place ? TRY(call.add_broadcast(Op::And, {mask, place})) : mask;
  } else if (mask) {
    mask = TRY(lengthened(call, TRY(call.cast(mask, dtype)), shape[3]));
    scores = TRY(call.add_broadcast(Op::Add, {scores, mask}));
  }
  if (place) {
    Node* hidden = TRY(hidden_unless(call, place, dtype));
    scores = TRY(call.add_broadcast(Op::Add, {scores, hidden}));
  }
  if (scores->type.shape != shape)
    return call.error("the mask is " + to_string(call.in(kMask)->type) + ", must stretch to " +
                      to_string(shape));
  return scores;
}

// 0 for a query that sees no key, as PyTorch's exporters write it.
Expected<Node*> weights_of(Call& call, Node* scores) {
  Node* weights = TRY(call.add(Op::Softmax, {scores}, with("axis", int64_t{3})));
  if (!call.in(kMask)) return weights;
  Node* none = TRY(call.add(Op::Not, {TRY(call.add(Op::Equal, {weights, weights}))}));
  return call.add(Op::Select, {none, TRY(call.like(weights, 0)), weights});
}

// cap · tanh(scores / cap)
Expected<Node*> capped(Call& call, Node* scores) {
  const double cap = call.attr("softcap", 0.0);
  if (cap == 0) return scores;
  if (cap < 0) return call.error("softcap is " + std::to_string(cap) + ", must be 0 or more");
  Node* share = TRY(call.add(Op::Div, {scores, TRY(call.like(scores, cap))}));
  return call.add(Op::Mul, {TRY(call.add(Op::Tanh, {share})), TRY(call.like(scores, cap))});
}

// The scores as they are at the step that qk_matmul_output_mode names, where someone reads them.
Status bind_scores(Call& call, const std::vector<Node*>& steps) {
  if (!call.wants(kScores)) return {};
  const int64_t mode = call.attr("qk_matmul_output_mode", int64_t{kRaw});
  if (mode < kRaw || mode > kWeights)
    return call.error("qk_matmul_output_mode is " + std::to_string(mode) + ", must be from 0 to 3");
  call.bind(kScores, steps[static_cast<size_t>(mode)]);
  return {};
}

}  // namespace

Status onnx_attention(Call& call) {
  TRY(check_encoder(call));
  const Operands of = TRY(operands_by_heads(call));
  const Shape q = of.q->type.shape;
  Node* keys = TRY(repeated(call, of.k, q[1]));
  Node* values = TRY(repeated(call, of.v, q[1]));
  Node* raw = TRY(call.add(Op::MatMul, {of.q, TRY(call.transpose(keys, {0, 1, 3, 2}))}));
  const double scale = call.attr("scale", 1 / std::sqrt(static_cast<double>(q[3])));
  raw = TRY(call.add(Op::Mul, {raw, TRY(call.like(raw, scale))}));
  Node* cap = TRY(capped(call, raw));
  Node* scores = TRY(masked(call, cap));
  Node* weights = TRY(weights_of(call, scores));
  TRY(bind_scores(call, {raw, cap, scores, weights}));
  if (call.rank(kQ) == 4) return call.result(Op::MatMul, {weights, values});
  Node* out = TRY(call.add(Op::MatMul, {weights, values}));
  out = TRY(call.transpose(out, {0, 2, 1, 3}));
  const int64_t hidden = q[1] * values->type.shape[3];
  return call.result(Op::Reshape, {out}, with("shape", Shape{q[0], q[2], hidden}));
}

}  // namespace tessera::handlers
