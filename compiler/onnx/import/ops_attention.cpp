// SPDX-License-Identifier: Apache-2.0
// ONNX's own Attention (opset 23), taken apart for the passes to find.
#include <cmath>

#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

// Refuses, by name, what an encoder's attention does not need: past keys, scores as an output,
// softcap, is_causal.
Status check_plain(Call& call) {
  if (call.in(4) || call.in(5) || call.wants(1) || call.wants(2) || call.wants(3))
    return call.error("takes or returns past keys, or returns scores, must not");
  if (call.attr("softcap", 0.0) != 0) return call.error("softcap is set, must be 0");
  if (call.attr("is_causal", int64_t{0}) != 0)
    return call.error("is_causal is on, must be off: the mask must say it");
  const int64_t precision = call.attr("softmax_precision", int64_t{1});
  if (precision != 1 && precision != 10)
    return call.error("softmax_precision is " + std::to_string(precision) +
                      ", must be 1 (float32) or 10 (float16)");
  return {};
}

Status check_shapes(Call& call) {
  const Shape &q = call.shape(0), &k = call.shape(1), &v = call.shape(2);
  const bool fits = q.size() == 4 && k.size() == 4 && v.size() == 4 && q[0] == k[0] &&
                    q[1] == k[1] && q[3] == k[3] && v[0] == k[0] && v[1] == k[1] && v[2] == k[2] &&
                    q[3] > 0;
  if (fits) return {};
  return call.error("inputs are " + to_string(call.in(0)->type) + ", " +
                    to_string(call.in(1)->type) + " and " + to_string(call.in(2)->type) +
                    ", must be [batch, heads, sequence, depth] with as many heads in all");
}

// Added to the scores: a mask of bools hides where it is false.
Expected<Node*> added(Call& call, Node* mask, DType dtype) {
  if (mask->type.dtype != DType::Bool) {
    if (mask->type.dtype == dtype) return mask;
    return call.error("the mask is " + to_string(mask->type) + ", must be of bool or of the type " +
                      "of the queries");
  }
  const TensorType type{dtype, mask->type.shape};
  return call.add(Op::Select, {mask, TRY(call.full(type, 0)), TRY(call.full(type, -HUGE_VAL))});
}

}  // namespace

Status onnx_attention(Call& call) {
  TRY(check_plain(call));
  TRY(check_shapes(call));
  const double depth = static_cast<double>(call.shape(0)[3]);
  const double scale = call.attr("scale", 1 / std::sqrt(depth));
  Node* keys = TRY(call.transpose(call.in(1), {0, 1, 3, 2}));
  Node* scores = TRY(call.add(Op::MatMul, {call.in(0), keys}));
  scores = TRY(call.add(Op::Mul, {scores, TRY(call.like(scores, scale))}));
  if (call.in(3)) {
    const Shape shape = scores->type.shape;
    Node* mask = TRY(added(call, call.in(3), call.dtype(0)));
    scores = TRY(call.add_broadcast(Op::Add, {scores, mask}));
    if (scores->type.shape != shape)
      return call.error("the mask is " + to_string(call.in(3)->type) + ", must stretch to " +
                        to_string(shape));
  }
  Node* weights = TRY(call.add(Op::Softmax, {scores}, with("axis", int64_t{3})));
  return call.result(Op::MatMul, {weights, call.in(2)});
}

}  // namespace tessera::handlers
