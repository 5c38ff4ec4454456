// SPDX-License-Identifier: Apache-2.0
// com.microsoft's Attention and MultiHeadAttention, as ONNX Runtime's transformer optimizer writes
// them for encoders: taken apart again, for the passes to find.
#include "compiler/onnx/import/key_padding.h"
#include "compiler/onnx/import/ms_heads.h"
#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/import/quantized.h"

namespace tessera::handlers {
namespace {

// Attention and MultiHeadAttention share the attributes of scale and mask. `mask` and `bias` are
// the numbers of their operands.
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

// Refuses, by name, what only a decoder that keeps keys and values has.
Status check_no_past(Call& call, std::initializer_list<size_t> inputs) {
  for (const size_t i : inputs)
    if (call.in(i))
      return call.error("takes past keys and values (input " + std::to_string(i) +
                        "), must not: give the whole sequence in one call");
  return {};
}

}  // namespace

namespace {

// `mask` and `bias` are the numbers of operands.
Status attention_of(Call& call, Attending a, size_t mask, size_t bias) {
  TRY(add_masks(call, a, mask, "mask_index", bias));
  call.bind(0, TRY(attend(call, a)));
  if (!call.wants(1)) return {};
  // Output 1 joins keys and values, for a decoder to keep.
  if (a.k->type.shape != a.v->type.shape)
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

Status check_no_rotary(Call& call) {
  if (call.attr("do_rotary", int64_t{0}) != 0)
    return call.error(
        "do_rotary is on, must be off: give queries and keys that are rotated already "
        "to MultiHeadAttention");
  if (call.attr("past_present_share_buffer", int64_t{0}) != 0)
    return call.error("past_present_share_buffer is on, must be off: it is a decoder's");
  return {};
}

}  // namespace

Status ms_attention(Call& call) {
  TRY(check_no_past(call, {4, 6}));
  TRY(check_no_rotary(call));
  const int64_t heads = TRY(heads_of(call));
  Attending a = TRY(projected(call, call.in(0), call.in(1), call.in(2), heads));
  return attention_of(call, a, 3, 5);
}

namespace {

enum QuantizedInput : size_t {
  kBytes,
  kWeights,
  kOfAll,
  kScale,
  kWeightScale,
  kMaskIndex,
  kZero,
  kWeightZero,
  kPast
};

}  // namespace

// Queries, keys and values come of one product of bytes, the rest is of floats.
Status quantized_attention(Call& call) {
  TRY(check_no_past(call, {kPast}));
  TRY(check_no_rotary(call));
  const Factor x{TRY(as_stored(call, kBytes)),
                 TRY(zero_or(call, kZero, TRY(byte_type(call, kBytes))))};
  const Factor weights{TRY(as_stored(call, kWeights)),
                       TRY(zero_or(call, kWeightZero, TRY(byte_type(call, kWeights))))};
  Node* sum = TRY(multiply_integers(call, x, weights));
  Node* scale =
      TRY(product_of_scales(call, call.in(kScale), call.in(kWeightScale), sum->type.shape));
  Node* all = TRY(call.cast(TRY(scaled_sum(call, sum, scale)), call.dtype(kOfAll)));
  all = TRY(call.add_broadcast(Op::Add, {all, call.in(kOfAll)}));
  const Attending a = TRY(thirds(call, all, TRY(heads_of(call))));
  return attention_of(call, a, kMaskIndex, call.inputs());
}

namespace {

enum MultiHeadInput : size_t { kQuery, kKey, kValue, kBias, kPadding, kAdded };

}  // namespace

Status multi_head_attention(Call& call) {
  TRY(check_no_past(call, {6, 7, 8, 9}));
  if (call.wants(3)) return call.error("returns scores (output 3), must not");
  const HeadOperands of{call.in(kQuery), call.in(kKey), call.in(kValue), call.in(kBias)};
  Attending a = TRY(told_apart(call, of, TRY(heads_of(call))));
  TRY(add_masks(call, a, kPadding, "key_padding_mask", kAdded));
  call.bind(0, TRY(attend(call, a)));
  if (call.wants(1)) call.bind(1, TRY(heads_first(call, a.k)));
  if (call.wants(2)) call.bind(2, TRY(heads_first(call, a.v)));
  return {};
}

}  // namespace tessera::handlers
