// SPDX-License-Identifier: Apache-2.0
// attention in ONNX's own operations: scores of all queries and keys, by head, in f32.
#include <limits>
#include <optional>

#include "compiler/onnx/export/function_body.h"
#include "ir/attention_mask.h"

namespace tessera::bodies {
namespace {

struct Heads {
  int64_t batch, queries, keys, hidden, heads;
  int64_t depth() const { return hidden / heads; }
};

std::string by_head(FunctionBody& body, const std::string& x, const Heads& s, int64_t tokens,
                    const std::vector<int64_t>& perm) {
  return body.add("Transpose",
                  {
                      body.reshape(x, {s.batch, tokens, s.heads, s.depth()}
                       )
  },
                  {{"perm", perm}});
}

// bool, where a query sees a key, [batch, 1, queries or 1, keys].
std::string sees(FunctionBody& body, std::string_view kind, const std::string& mask,
                 const Heads& s) {
  if (kind == "lengths") {
    const std::string places = body.counter(0, 1, s.keys, {1, 1, 1, s.keys});
    return body.add("Less", {places, body.reshape(mask, {s.batch, 1, 1, 1})});
  }
  const std::string of_keys = body.reshape(mask, {s.batch, 1, 1, s.keys});
  const std::string counts = body.cast(of_keys, DType::Bool);
  if (kind == "keys") return counts;
  const std::string of_queries = body.reshape(mask, {s.batch, 1, s.queries, 1});
  return body.add("And", {counts, body.add("Equal", {of_queries, of_keys})});
}

// f16's lowest number stands for any below it, beside which a score is gone.
std::string bias_of(FunctionBody& body, const std::string& bias, DType dtype) {
  if (dtype == DType::F32) return bias;
  const std::string wide = body.cast(bias, DType::F32);
  const std::string lowest = body.add("Equal", {wide, body.number(-65504)});
  return body.add("Where", {lowest, body.number(std::numeric_limits<float>::lowest()), wide});
}

// Hidden keys have the score -inf, and so the weight 0. A query that sees none gets weights by what
// the model's own number leaves of its scores, or none.
std::string seen_weights(FunctionBody& body, const std::string& scores, const std::string& seen,
                         const std::optional<double>& hidden) {
  const FunctionBody::Attrs last = {
      {"axis", int64_t{-1}}
  };
  const std::string only =
      body.add("Where", {seen, scores, body.number(-std::numeric_limits<double>::infinity())});
  if (!hidden) {
    const std::string weights = body.add("Softmax", {only}, last);
    return body.add("Where", {seen, weights, body.number(0)});
  }
  const std::string any = body.cast(body.greatest(body.cast(seen, DType::I32), 3), DType::Bool);
  const std::string number = body.number(*hidden);
  const std::string left = body.add("Sub", {body.add("Add", {scores, number}), number});
  return body.add("Softmax", {body.add("Where", {any, only, left})}, last);
}

}  // namespace

void Attention(FunctionBody& body, const Node& node) {
  const DType dtype = node.type.dtype;
  const Shape &q_shape = node.in[0]->type.shape, &k_shape = node.in[1]->type.shape;
  const Heads s{q_shape[0], q_shape[1], k_shape[1], q_shape[2], node.int_attr("heads")};
  const AttentionMask mask = *attention_mask(node.string_attr("mask"));
  const std::string q_in = body.input("q"), k_in = body.input("k"), v_in = body.input("v");
  const std::string keys = mask.has_keys() ? body.input("mask") : "";
  const std::string bias = mask.bias ? body.input("bias") : "";

  const std::string q = by_head(body, body.widened(q_in, dtype), s, s.queries, {0, 2, 1, 3});
  const std::string k = by_head(body, body.widened(k_in, dtype), s, s.keys, {0, 2, 3, 1});
  const std::string v = by_head(body, body.widened(v_in, dtype), s, s.keys, {0, 2, 1, 3});
  std::string scores =
      body.add("Mul", {body.add("MatMul", {q, k}), body.number(node.float_attr("scale"))});
  if (mask.bias) {
    const DType of_bias = node.in[mask.bias_operand()]->type.dtype;
    scores = body.add("Add", {scores, bias_of(body, bias, of_bias)});
  }
  std::string weights =
      mask.has_keys() ? seen_weights(body, scores, sees(body, mask.kind, keys, s), mask.hidden)
                      : body.add("Softmax",
                                 {
                                     scores
  },
                                 {{"axis", int64_t{-1}}});
  if (mask.guarded)
    weights = body.add("Where", {body.add("IsNaN", {weights}), body.number(0), weights});
  const std::string answers = body.add("Transpose",
                                       {
                                           body.add("MatMul", {weights, v}
                                            )
  },
                                       {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  body.narrowed(body.reshape(answers, q_shape), dtype);
}

}  // namespace tessera::bodies
