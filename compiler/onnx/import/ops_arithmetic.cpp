// SPDX-License-Identifier: Apache-2.0
// Elementwise ONNX operations. What the Graph has no op for is said in those that it has.
#include <cmath>

#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/tensor.h"

namespace tessera::handlers {

// The Graph's op of the same meaning.
Status same(Call& call, Op op) { return call.result_broadcast(op, call.all_in()); }

// One after another, from the left.
Status variadic(Call& call, Op op) {
  std::vector<Node*> in = TRY(call.broadcast_together(call.all_in()));
  if (in.size() == 1) {
    call.bind(0, in[0]);
    return {};
  }
  Node* so_far = in[0];
  for (size_t i = 1; i + 1 < in.size(); ++i) so_far = TRY(call.add(op, {so_far, in[i]}));
  return call.result(op, {so_far, in.back()});
}

Status mean(Call& call) {
  std::vector<Node*> in = TRY(call.broadcast_together(call.all_in()));
  Node* sum = in[0];
  for (size_t i = 1; i < in.size(); ++i) sum = TRY(call.add(Op::Add, {sum, in[i]}));
  return call.result(Op::Div, {sum, TRY(call.like(sum, static_cast<double>(in.size())))});
}

// ceil x = -floor(-x)
Status ceil(Call& call) {
  Node* minus_one = TRY(call.like(call.in(0), -1));
  Node* negated = TRY(call.add(Op::Mul, {call.in(0), minus_one}));
  return call.result(Op::Mul, {TRY(call.add(Op::Floor, {negated})), minus_one});
}

// The bounds are operands from opset 11 on, attributes before.
Status clip(Call& call) {
  Node* low = call.in(1);
  Node* high = call.in(2);
  if (call.has_attr("min")) low = TRY(call.full({call.dtype(0), {}}, call.attr("min", 0.0)));
  if (call.has_attr("max")) high = TRY(call.full({call.dtype(0), {}}, call.attr("max", 0.0)));
  for (Node*& bound : {std::ref(low), std::ref(high)}) {
    if (!bound) continue;
    if (elements(bound->type.shape) != 1)
      return call.error("a bound is " + to_string(bound->type) + ", must be one number");
    bound = TRY(call.broadcast(TRY(call.reshape(bound, {})), call.shape(0)));
  }
  if (low && high) return call.result(Op::Min, {TRY(call.add(Op::Max, {call.in(0), low})), high});
  if (low) return call.result(Op::Max, {call.in(0), low});
  if (high) return call.result(Op::Min, {call.in(0), high});
  call.bind(0, call.in(0));
  return {};
}

Status identity(Call& call) {
  call.bind(0, call.in(0), call.value(0).onnx_type);
  return {};
}

Status greater(Call& call) { return call.result_broadcast(Op::Less, {call.in(1), call.in(0)}); }

namespace {

// The Graph has no or: a or b is not (not a and not b).
Expected<Node*> neither(Call& call, Node* a, Node* b) {
  return call.add_broadcast(Op::And, {TRY(call.add(Op::Not, {a})), TRY(call.add(Op::Not, {b}))});
}

// a <= b, as a < b or a = b: not (b < a) would be true of NaN.
Status at_most(Call& call, Node* a, Node* b) {
  Node* less = TRY(call.add_broadcast(Op::Less, {a, b}));
  Node* equal = TRY(call.add_broadcast(Op::Equal, {a, b}));
  return call.result(Op::Not, {TRY(neither(call, less, equal))});
}

}  // namespace

Status less_or_equal(Call& call) { return at_most(call, call.in(0), call.in(1)); }
Status greater_or_equal(Call& call) { return at_most(call, call.in(1), call.in(0)); }

Status or_(Call& call) {
  return call.result(Op::Not, {TRY(neither(call, call.in(0), call.in(1)))});
}

Status xor_(Call& call) {
  return call.result(Op::Not, {TRY(call.add_broadcast(Op::Equal, {call.in(0), call.in(1)}))});
}

Status neg(Call& call) {
  return call.result(Op::Mul, {call.in(0), TRY(call.like(call.in(0), -1))});
}

// The result is of the base's type, whatever the exponent's.
Status pow(Call& call) {
  Node* base = call.in(0);
  Node* exponent = call.in(1);
  const DType dtype = base->type.dtype;
  if (is_float(dtype) || exponent->type.dtype == dtype)
    return call.result_broadcast(Op::Pow, {base, TRY(call.cast(exponent, dtype))});
  Node* power = TRY(call.add_broadcast(
      Op::Pow, {TRY(call.cast(base, DType::F32)), TRY(call.cast(exponent, DType::F32))}));
  return call.result(Op::Cast, {power}, with("to", std::string(to_string(dtype))));
}

Status reciprocal(Call& call) {
  return call.result(Op::Div, {TRY(call.like(call.in(0), 1)), call.in(0)});
}

Status relu(Call& call) {
  return call.result(Op::Max, {call.in(0), TRY(call.like(call.in(0), 0))});
}

// 1 / (1 + exp(-x)): where exp(-x) is infinite the quotient is 0, as it must be.
Status sigmoid(Call& call) {
  Node* one = TRY(call.like(call.in(0), 1));
  Node* negated = TRY(call.add(Op::Mul, {call.in(0), TRY(call.like(call.in(0), -1))}));
  Node* sum = TRY(call.add(Op::Add, {one, TRY(call.add(Op::Exp, {negated}))}));
  return call.result(Op::Div, {one, sum});
}

Status sign(Call& call) {
  Node* x = call.in(0);
  Node* zero = TRY(call.like(x, 0));
  Node* negative = TRY(call.add(Op::Less, {x, zero}));
  Node* not_positive = TRY(call.add(Op::Select, {negative, TRY(call.like(x, -1)), zero}));
  Node* positive = TRY(call.add(Op::Less, {zero, x}));
  Node* one = TRY(call.like(x, 1));
  if (!is_float(x->type.dtype)) return call.result(Op::Select, {positive, one, not_positive});
  Node* number = TRY(call.add(Op::Select, {positive, one, not_positive}));
  return call.result(Op::Select, {TRY(call.add(Op::Equal, {x, x})), number, x});  // NaN has none
}

Status where(Call& call) { return call.result_broadcast(Op::Select, call.all_in()); }

// A cast between types that are one in the Graph (int64 and int32) is nothing; in a settled graph
// only that of the model's own inputs and outputs is.
Status cast(Call& call) {
  const auto to = static_cast<int32_t>(call.attr("to", int64_t{0}));
  const auto dtype = dtype_of(to);
  if (!dtype)
    return call.error("casts to " + element_type_name(to) +
                      ", must be to float32, float16, int32, int64 or bool");
  if (to == ::onnx::TensorProto::DOUBLE) call.warn("casts to float64, taken as float32");
  const bool same = call.dtype(0) == *dtype;
  if (same && !(call.settled() && call.value(0).onnx_type == to)) {
    call.bind(0, call.in(0), to);
    return {};
  }
  TRY(call.result(Op::Cast, {call.in(0)}, with("to", std::string(to_string(*dtype)))));
  call.bind(0, call.results()[0].node, to);
  return {};
}

// As in inference, where everything is kept.
Status dropout(Call& call) {
  if (call.in(2)) {
    const Array training = TRY(call.constant(2, "training_mode"));
    if (training.data.size() != 1 || training.data[0] != 0)
      return call.error("training_mode is on, must be off");
  }
  call.bind(0, call.in(0));
  if (call.wants(1)) call.bind(1, TRY(call.full({DType::Bool, call.shape(0)}, 1)));
  return {};
}

}  // namespace tessera::handlers
