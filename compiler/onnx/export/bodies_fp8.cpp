// SPDX-License-Identifier: Apache-2.0
// scaled_cast and matmul_fp8 in ONNX's own operations, whose Cast rounds and saturates as ours.
#include <cmath>

#include "compiler/onnx/export/function_body.h"

namespace tessera::bodies {
namespace {

std::string scaled(FunctionBody& body, const std::string& x, const Node& node) {
  const int64_t scale = node.int_attr("scale");
  if (scale == 0) return x;
  return body.add("Mul", {x, body.number(std::ldexp(1.0, static_cast<int>(scale)))});
}

}  // namespace

void ScaledCast(FunctionBody& body, const Node& node) {
  const std::string x = body.widened(body.input("x"), node.in[0]->type.dtype);
  body.cast(scaled(body, x, node), node.type.dtype);
}

void MatMulFp8(FunctionBody& body, const Node& node) {
  const std::string a = body.cast(body.input("a"), DType::F32);
  const std::string b = body.cast(body.input("b"), DType::F32);
  body.cast(scaled(body, body.add("MatMul", {a, b}), node), DType::F16);
}

}  // namespace tessera::bodies
