// SPDX-License-Identifier: Apache-2.0
// Elementwise ONNX operations. An operation that the Graph lacks is said in those that it has.
#include <algorithm>
#include <cmath>

#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/tensor.h"

namespace tessera::handlers {

// The Graph's op of the same meaning.
Status same(Call& call, Op op) { return call.result_broadcast(op, TRY(call.all_in())); }

// One after another, from the left.
Status variadic(Call& call, Op op) {
  std::vector<Node*> in = TRY(call.broadcast_together(TRY(call.all_in())));
  if (in.size() == 1) {
    call.bind(0, in[0]);
    return {};
  }
  Node* so_far = in[0];
  for (size_t i = 1; i + 1 < in.size(); ++i) so_far = TRY(call.add(op, {so_far, in[i]}));
  return call.result(op, {so_far, in.back()});
}

Status mean(Call& call) {
  std::vector<Node*> in = TRY(call.broadcast_together(TRY(call.all_in())));
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

// The bounds are operands from opset 11 on, attributes before. A bound that no int32 passes is left
// out.
Status clip(Call& call) {
  for (const auto& [operand, sign] : {
           std::pair{size_t{1}, 1 },
           std::pair{size_t{2}, -1}
  }) {
    const auto beyond = operand < call.inputs() ? call.value(operand).beyond_int32 : std::nullopt;
    if (beyond && (*beyond > 0) == (sign > 0))
      return call.error("a bound is " + std::to_string(*beyond) + ", must be within int32");
  }
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

namespace {

// Whole numbers that are not negative, whatever their type.
bool is_whole(const Node* exponent) {
  if (!exponent->is(Op::Constant) || !exponent->value.has_data()) return false;
  constexpr int64_t kMostElements = 64;
  if (elements(exponent->type.shape) > kMostElements) return false;
  return std::ranges::all_of(to_array(exponent->value).data, [](double power) {
    return power >= 0 && power <= INT32_MAX && power == std::floor(power);
  });
}

}  // namespace

// The result is of the base's type, whatever the exponent's. f32 does not hold all powers of whole
// numbers.
Status pow(Call& call) {
  Node* base = call.in(0);
  Node* exponent = call.in(1);
  const DType dtype = base->type.dtype;
  if (is_float(dtype) || exponent->type.dtype == dtype || is_whole(exponent))
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

Status where(Call& call) { return call.result_broadcast(Op::Select, TRY(call.all_in())); }

namespace {

// The remainder as ONNX counts it, of whole numbers: with the sign of the divisor, or of the
// dividend (fmod).
Expected<Node*> remainder(Call& call, Node* a, Node* b, bool fmod) {
  Node* whole = TRY(call.add(Op::Mul, {TRY(call.add(Op::Div, {a, b})), b}));
  Node* rest = TRY(call.add(Op::Sub, {a, whole}));
  if (fmod) return rest;
  Node* zero = TRY(call.like(rest, 0));
  Node* same_sign = TRY(call.add(
      Op::Equal, {TRY(call.add(Op::Less, {rest, zero})), TRY(call.add(Op::Less, {b, zero}))}));
  Node* none = TRY(call.add(Op::Equal, {rest, zero}));
  Node* right = TRY(call.add(Op::Not, {TRY(neither(call, none, same_sign))}));
  return call.add(Op::Select, {right, rest, TRY(call.add(Op::Add, {rest, b}))});
}

bool is_narrow(int32_t onnx_type) {
  return onnx_type == ::onnx::TensorProto::UINT8 || onnx_type == ::onnx::TensorProto::INT8;
}

// A whole number as 8 bits hold it: what is beyond them is cut off.
Expected<Node*> narrowed(Call& call, Node* x, int32_t to) {
  Node* low = TRY(remainder(call, x, TRY(call.like(x, 256)), false));
  if (to == ::onnx::TensorProto::UINT8) return low;
  Node* positive = TRY(call.add(Op::Less, {low, TRY(call.like(low, 128))}));
  Node* below = TRY(call.add(Op::Sub, {low, TRY(call.like(low, 256))}));
  return call.add(Op::Select, {positive, low, below});
}

// To floats of 8 bits, or from them, or both.
Expected<Node*> cast_fp8(Call& call, DType to) {
  if (is_fp8(to) && call.attr("saturate", int64_t{1}) == 0)
    return call.error(
        "has saturate 0, must be 1: what is beyond the largest number is that number");
  Node* x = call.in(0);
  if (!is_fp8(x->type.dtype) && !is_float(x->type.dtype)) x = TRY(call.cast(x, DType::F32));
  const DType by_scale = is_fp8(to) || is_float(to) ? to : DType::F32;
  Call::Attrs attrs = with("to", std::string(to_string(by_scale)));
  attrs["scale"] = int64_t{0};
  x = TRY(call.add(Op::ScaledCast, {x}, std::move(attrs)));
  return by_scale == to ? Expected<Node*>(x) : call.cast(x, to);
}

// A cast between types that are one in the Graph (int64 and int32) is nothing; in a settled graph
// only that of the model's own inputs and outputs is.
Status cast_to(Call& call, int32_t to) {
  const auto dtype = call.settled() ? stored_dtype_of(to) : dtype_of(to);
  if (!dtype)
    return call.error("casts to " + element_type_name(to) +
                      ", must be to float32, float16, bfloat16, float8_e4m3fnuz, "
                      "float8_e5m2fnuz, int32, int64, int8, uint8 or bool");
  if (to == ::onnx::TensorProto::DOUBLE) call.warn("casts to float64, taken as float32");
  if (call.dtype(0) != *dtype && (is_fp8(call.dtype(0)) || is_fp8(*dtype))) {
    call.bind(0, TRY(cast_fp8(call, *dtype)), to);
    return {};
  }
  const int32_t from = call.value(0).onnx_type;
  if (!call.settled() && is_narrow(to) && from != to && call.dtype(0) != DType::Bool) {
    Node* whole = TRY(call.cast(call.in(0), DType::I32));
    call.bind(0, TRY(narrowed(call, whole, to)), to);
    return {};
  }
  const bool same = call.dtype(0) == *dtype;
  if (same && !(call.settled() && from == to)) {
    call.bind(0, call.in(0), to);
    return {};
  }
  TRY(call.result(Op::Cast, {call.in(0)}, with("to", std::string(to_string(*dtype)))));
  call.bind(0, call.results()[0].node, to);
  return {};
}

}  // namespace

Status cast(Call& call) { return cast_to(call, static_cast<int32_t>(call.attr("to", int64_t{0}))); }

Status cast_like(Call& call) { return cast_to(call, call.value(1).onnx_type); }

// Floats must be known at import, where fmod is exact. A remainder made of a rounded quotient is
// not.
Status mod(Call& call) {
  const bool fmod = call.attr("fmod", int64_t{0}) != 0;
  std::vector<Node*> in = TRY(call.broadcast_together(TRY(call.all_in())));
  const DType dtype = in[0]->type.dtype;
  if (dtype != in[1]->type.dtype || dtype == DType::Bool)
    return call.error("inputs are " + to_string(in[0]->type) + " and " + to_string(in[1]->type) +
                      ", must be numbers of one type");
  if (dtype == DType::I32) {
    call.bind(0, TRY(remainder(call, in[0], in[1], fmod)), call.value(0).onnx_type);
    return {};
  }
  if (!fmod) return call.error("fmod is 0, must be 1 for " + to_string(in[0]->type));
  for (Node*& one : in) one = TRY(call.known(one));
  if (!in[0] || !in[1])
    return call.error("is of floats that depend on the model's inputs, must be of integers");
  Array left = to_array(in[0]->value);
  const Array right = to_array(in[1]->value);
  for (size_t i = 0; i < left.data.size(); ++i)
    left.data[i] = std::fmod(left.data[i], right.data[i]);
  call.bind(0, call.constant(left));
  return {};
}

// uint8 alone is shifted. A shift of 8 places or more gives 0.
Status bit_shift(Call& call) {
  const std::string direction = call.attr("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    return call.error("direction is '" + direction + "', must be 'LEFT' or 'RIGHT'");
  constexpr int32_t kByte = ::onnx::TensorProto::UINT8;
  if (call.value(0).onnx_type != kByte || call.value(1).onnx_type != kByte)
    return call.error("inputs are of " + element_type_name(call.value(0).onnx_type) + " and " +
                      element_type_name(call.value(1).onnx_type) + ", must be of uint8");
  const std::vector<Node*> in = TRY(call.broadcast_together(TRY(call.all_in())));
  Node* places = TRY(call.add(Op::Min, {in[1], TRY(call.like(in[1], 8))}));
  Node* power = TRY(call.add(Op::Pow, {TRY(call.like(places, 2)), places}));
  const bool left = direction == "LEFT";
  Node* shifted = TRY(call.add(left ? Op::Mul : Op::Div, {in[0], power}));
  if (left) shifted = TRY(narrowed(call, shifted, kByte));
  call.bind(0, shifted, kByte);
  return {};
}

// Nothing but NaN same_signs from itself.
Status is_nan(Call& call) {
  return call.result(Op::Not, {TRY(call.add(Op::Equal, {call.in(0), call.in(0)}))});
}

Status is_inf(Call& call) {
  const bool positive = call.attr("detect_positive", int64_t{1}) != 0;
  const bool negative = call.attr("detect_negative", int64_t{1}) != 0;
  Node* x = call.in(0);
  if (!is_float(x->type.dtype))
    return call.error("input is " + to_string(x->type) + ", must be of floats");
  if (!positive && !negative) {
    call.bind(0, TRY(call.full({DType::Bool, x->type.shape}, 0)));
    return {};
  }
  if (positive && negative) x = TRY(call.add(Op::Abs, {x}));
  return call.result(Op::Equal, {x, TRY(call.like(x, positive ? HUGE_VAL : -HUGE_VAL))});
}

namespace {

// Most angles are positions times frequencies, which the model's shapes settle: a table, that the
// passes find as one of positions.
Status of_angle(Call& call, Op op, double (*function)(double)) {
  Node* angle = is_float(call.dtype(0)) ? TRY(call.known(call.in(0))) : nullptr;
  if (!angle) return call.result(op, {call.in(0)});
  TRY(call.read_elements(elements(angle->type.shape)));
  Array values = to_array(angle->value);
  for (double& value : values.data) value = function(value);
  call.result_constant({to_tensor(values), call.value(0).onnx_type, std::nullopt});
  return {};
}

}  // namespace

Status cosine(Call& call) {
  return of_angle(call, Op::Cos, [](double x) { return std::cos(x); });
}
Status sine(Call& call) {
  return of_angle(call, Op::Sin, [](double x) { return std::sin(x); });
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
