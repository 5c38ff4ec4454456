// SPDX-License-Identifier: Apache-2.0
// ONNX's quantized numbers, and com.microsoft's operations on them: each as quantize, dequantize
// and matmul_integer, with its scales as the arithmetic of f32 that the standard writes.
#include <algorithm>

#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/import/quantized.h"

namespace tessera::handlers {
namespace {

// The type of the result: its zero point's, or what output_dtype says.
Expected<DType> quantized_type(Call& call, size_t zero) {
  const auto otherwise = int64_t{::onnx::TensorProto::UINT8};
  int64_t type = call.attr("output_dtype", int64_t{0});
  if (type == 0) type = otherwise;
  if (call.in(zero)) type = call.value(zero).onnx_type;
  const std::optional<DType> dtype = stored_dtype_of(static_cast<int32_t>(type));
  if (dtype && is_byte(*dtype)) return *dtype;
  return call.error("makes numbers of " + element_type_name(static_cast<int32_t>(type)) +
                    ", must be of int8 or uint8");
}

Expected<Along> along_of(Call& call) {
  if (call.in(2) && elements(call.shape(2)) != elements(call.shape(1)))
    return call.error("zero point is " + to_string(call.in(2)->type) + " beside a scale of " +
                      std::to_string(elements(call.shape(1))) + ", must have as many numbers");
  Along along{.block = call.attr("block_size", int64_t{0})};
  const int64_t rank = call.rank(0);
  if (rank == 0) return along;
  const int64_t axis = call.attr("axis", int64_t{1});
  // An axis that no scale needs may be out of range.
  const bool one_for_all = elements(call.shape(1)) == 1 && along.block == 0;
  along.axis = one_for_all ? 0 : TRY(call.axis(axis, rank));
  return along;
}

}  // namespace

Status quantize_linear(Call& call) {
  const DType to = TRY(quantized_type(call, 2));
  const Along along = TRY(along_of(call));
  Node* x = call.in(0);
  if (!is_float(x->type.dtype)) x = TRY(call.cast(x, DType::F32));
  Node* scale = TRY(spread(call, TRY(call.cast(call.in(1), DType::F32)), x->type.shape, along));
  Node* zero = TRY(zero_or(call, 2, to));
  zero = TRY(spread(call, zero, x->type.shape, along));
  return call.result(Op::Quantize, {x, scale, zero}, with("to", std::string(to_string(to))));
}

Status dequantize_linear(Call& call) {
  const Along along = TRY(along_of(call));
  const int32_t onnx_type = call.value(0).onnx_type;
  const std::optional<DType> of = stored_dtype_of(onnx_type);
  if (!of || (!is_byte(*of) && onnx_type != ::onnx::TensorProto::INT32))
    return call.error("input is of " + element_type_name(onnx_type) +
                      ", must be of int8, uint8 or int32");
  Node* x = TRY(as_stored(call, 0));
  const DType result = call.dtype(1);
  Node* scale = TRY(spread(call, TRY(call.cast(call.in(1), DType::F32)), x->type.shape, along));
  Node* zero = TRY(zero_or(call, 2, x->type.dtype));
  zero = TRY(spread(call, zero, x->type.shape, along));
  if (result == DType::F32) return call.result(Op::Dequantize, {x, scale, zero});
  Node* wide = TRY(call.add(Op::Dequantize, {x, scale, zero}));
  return call.result(Op::Cast, {wide}, with("to", std::string(to_string(result))));
}

Status dynamic_quantize_linear(Call& call) {
  const Dynamic made = TRY(quantized_by_itself(call, call.in(0)));
  call.bind(0, made.x);
  call.bind(1, made.scale);
  call.bind(2, made.zero);
  return {};
}

Status matmul_integer(Call& call) {
  const Factor a{TRY(as_stored(call, 0)), TRY(zero_or(call, 2, TRY(byte_type(call, 0))))};
  const Factor b{TRY(as_stored(call, 1)), TRY(zero_or(call, 3, TRY(byte_type(call, 1))))};
  call.bind(0, TRY(multiply_integers(call, a, b)));
  return {};
}

Status qlinear_matmul(Call& call) {
  const Factor a{TRY(as_stored(call, 0)), TRY(zero_or(call, 2, TRY(byte_type(call, 0))))};
  const Factor b{TRY(as_stored(call, 3)), TRY(zero_or(call, 5, TRY(byte_type(call, 3))))};
  const DType to = TRY(quantized_type(call, 7));
  Node* sum = TRY(multiply_integers(call, a, b));
  Node* a_scale = TRY(call.cast(call.in(1), DType::F32));
  Node* b_scale = TRY(call.cast(call.in(4), DType::F32));
  Node* out_scale = TRY(call.cast(call.in(6), DType::F32));
  Node* scale = TRY(product_of_scales(call, a_scale, b_scale, sum->type.shape));
  scale = TRY(call.add_broadcast(Op::Div, {scale, out_scale}));
  Node* x = TRY(scaled_sum(call, sum, scale));
  Node* zero = TRY(call.broadcast(TRY(as_stored(call, 7)), x->type.shape));
  return call.result(Op::Quantize, {x, TRY(call.like(x, 1)), zero},
                     with("to", std::string(to_string(to))));
}

namespace {

Status bind_with_bias(Call& call, Node* x, size_t bias) {
  if (call.in(bias)) {
    Node* added = TRY(call.cast(call.in(bias), x->type.dtype));
    x = TRY(call.add_broadcast(Op::Add, {x, added}));
  }
  call.bind(0, x);
  return {};
}

}  // namespace

Status matmul_integer_to_float(Call& call) {
  const Factor a{TRY(as_stored(call, 0)), TRY(zero_or(call, 4, TRY(byte_type(call, 0))))};
  const Factor b{TRY(as_stored(call, 1)), TRY(zero_or(call, 5, TRY(byte_type(call, 1))))};
  Node* sum = TRY(multiply_integers(call, a, b));
  Node* scale = TRY(product_of_scales(call, TRY(call.cast(call.in(2), DType::F32)),
                                      TRY(call.cast(call.in(3), DType::F32)), sum->type.shape));
  Node* x = TRY(scaled_sum(call, sum, scale));
  return bind_with_bias(call, TRY(call.cast(x, call.dtype(2))), 6);
}

Status dynamic_quantize_matmul(Call& call) {
  const Dynamic a = TRY(quantized_by_itself(call, call.in(0)));
  const Factor b{TRY(as_stored(call, 1)), TRY(zero_or(call, 3, TRY(byte_type(call, 1))))};
  Node* sum = TRY(multiply_integers(call, {a.x, a.zero}, b));
  Node* b_scale = TRY(call.cast(call.in(2), DType::F32));
  Node* scale = TRY(product_of_scales(call, a.scale, b_scale, sum->type.shape));
  Node* x = TRY(scaled_sum(call, sum, scale));
  return bind_with_bias(call, TRY(call.cast(x, call.dtype(0))), 4);
}

namespace {

// com.microsoft's operations on quantized numbers that have no integers of their own: of floats, in
// between.
Expected<Node*> dequantized(Call& call, size_t x, size_t scale, size_t zero) {
  TRY(call.need({x, scale}));
  Node* whole = TRY(as_stored(call, x));
  Node* of = TRY(call.broadcast(call.in(scale), whole->type.shape));
  Node* from = TRY(zero_or(call, zero, whole->type.dtype));
  return call.add(Op::Dequantize, {whole, of, TRY(call.broadcast(from, whole->type.shape))});
}

Status bind_quantized(Call& call, Node* x, size_t scale, size_t zero, DType to) {
  TRY(call.need({scale}));
  Node* of = TRY(call.broadcast(call.in(scale), x->type.shape));
  Node* from = TRY(call.broadcast(TRY(zero_or(call, zero, to)), x->type.shape));
  return call.result(Op::Quantize, {x, of, from}, with("to", std::string(to_string(to))));
}

Status qlinear_of_two(Call& call, Op op) {
  Node* a = TRY(dequantized(call, 0, 1, 2));
  Node* b = TRY(dequantized(call, 3, 4, 5));
  Node* x = TRY(call.add_broadcast(op, {a, b}));
  return bind_quantized(call, x, 6, 7, TRY(byte_type(call, 0)));
}

}  // namespace

Status qlinear_add(Call& call) { return qlinear_of_two(call, Op::Add); }
Status qlinear_mul(Call& call) { return qlinear_of_two(call, Op::Mul); }

Status qlinear_sigmoid(Call& call) {
  Node* x = TRY(dequantized(call, 0, 1, 2));
  Node* power = TRY(call.add(Op::Exp, {TRY(call.add(Op::Mul, {x, TRY(call.like(x, -1))}))}));
  Node* one = TRY(call.like(x, 1));
  x = TRY(call.add(Op::Div, {one, TRY(call.add(Op::Add, {power, one}))}));
  return bind_quantized(call, x, 3, 4, TRY(byte_type(call, 0)));
}

Status qlinear_softmax(Call& call) {
  if (call.attr("opset", int64_t{13}) < 13)
    return call.error("opset is " + std::to_string(call.attr("opset", int64_t{13})) +
                      ", must be 13 or more");
  Node* x = TRY(dequantized(call, 0, 1, 2));
  const int64_t axis = TRY(call.axis(call.attr("axis", int64_t{-1}), call.rank(0)));
  x = TRY(call.add(Op::Softmax, {x}, with("axis", axis)));
  return bind_quantized(call, x, 3, 4, TRY(byte_type(call, 0)));
}

}  // namespace tessera::handlers
