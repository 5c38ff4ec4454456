// SPDX-License-Identifier: Apache-2.0
// quantize, dequantize, matmul_integer, row_ends and segment_max in ONNX's own operations. ONNX's
// QuantizeLinear and MatMulInteger have no scale for each element and, in ONNX Runtime, no zero
// point for each row, so these are said by their arithmetic.
#include <limits>

#include "compiler/onnx/export/function_body.h"

namespace tessera::bodies {

void Quantize(FunctionBody& body, const Node& node) {
  const std::string given = body.input("x"), scale = body.input("scale");
  const std::string zero = body.cast(body.input("zero"), DType::F32);
  const std::string x = body.widened(given, node.in[0]->type.dtype);
  const std::string nearest = body.add("Round", {body.add("Div", {x, scale})});
  const bool is_signed = node.type.dtype == DType::I8;
  const std::string least = body.number(is_signed ? -128 : 0);
  const std::string most = body.number(is_signed ? 127 : 255);
  body.cast(body.add("Clip", {body.add("Add", {nearest, zero}), least, most}), node.type.dtype);
}

void Dequantize(FunctionBody& body, const Node&) {
  const std::string x = body.input("x"), scale = body.input("scale"), zero = body.input("zero");
  const std::string distance =
      body.add("Sub", {body.cast(x, DType::I32), body.cast(zero, DType::I32)});
  body.add("Mul", {body.cast(distance, DType::F32), scale});
}

// (a - a0)(b - b0) summed is the sum of ab, less a0 times the sum of b, less b0 times the sum of
// (a - a0): a0 is one number for a row of a, b0 for a column of b.
void MatMulInteger(FunctionBody& body, const Node& node) {
  const std::string a = body.input("a"), b = body.input("b");
  const std::string a_zero = body.cast(body.input("a_zero"), DType::I32);
  const std::string b_zero = body.cast(body.input("b_zero"), DType::I32);
  const std::string rows = body.sum(body.cast(a, DType::I32), -1);
  const std::string columns = body.sum(body.cast(b, DType::I32), -2);
  const int64_t length = node.in[0]->type.shape.back();
  const std::string zeros = body.add("Mul", {a_zero, body.counter(length, 0, 1, {})});
  const std::string by_columns = body.add("Mul", {body.add("Sub", {rows, zeros}), b_zero});
  const std::string product = body.add("MatMulInteger", {a, b});
  const std::string by_rows = body.add("Sub", {product, body.add("Mul", {a_zero, columns})});
  body.add("Sub", {by_rows, by_columns});
}

void RowEnds(FunctionBody& body, const Node& node) {
  const std::string x = body.widened(body.input("x"), node.in[0]->type.dtype);
  const std::string zero = body.number(0);
  const std::string below = body.greatest(body.add("Neg", {x}), -1);
  const std::string above = body.greatest(x, -1);
  body.add("Concat",
           {
               body.add("Max", {below, zero}
                ), body.add("Max", {above, zero}
                )
  },
           {{"axis", int64_t{-1}}});
}

void SegmentMax(FunctionBody& body, const Node& node) {
  const Shape& shape = node.type.shape;
  const int64_t rows = shape[0], tokens = shape[1], n = shape[2];
  const std::string x = body.input("x"), ids = body.input("ids");
  const std::string of_each = body.reshape(ids, {rows, tokens, 1, 1});
  const std::string of_others = body.reshape(ids, {rows, 1, tokens, 1});
  const std::string shared =
      body.add("And", {body.add("Equal", {of_each, of_others}), body.cast(of_each, DType::Bool)});
  const std::string itself = body.add("Equal", {body.counter(0, 1, tokens, {1, tokens, 1, 1}),
                                                body.counter(0, 1, tokens, {1, 1, tokens, 1})});
  const std::string counts = body.add("Or", {shared, itself});
  const std::string lowest = body.number(-std::numeric_limits<double>::infinity());
  const std::string others =
      body.add("Where", {counts, body.reshape(x, {rows, 1, tokens, n}), lowest});
  body.reshape(body.greatest(others, 2), shape);
}

}  // namespace tessera::bodies
