// SPDX-License-Identifier: Apache-2.0
// gelu, erf_v2, layer_norm, rms_norm and rotary in ONNX's own operations.
#include <cmath>
#include <numbers>

#include "compiler/onnx/export/function_body.h"

namespace tessera::bodies {
namespace {

// x/2 (1 + f): f is between -1 and 1.
void half_of(FunctionBody& body, const std::string& x, const std::string& f, DType dtype) {
  const std::string share = body.add("Add", {f, body.number(1)});
  const std::string half = body.add("Mul", {x, body.number(0.5)});
  body.narrowed(body.add("Mul", {half, share}), dtype);
}

}  // namespace

void Gelu(FunctionBody& body, const Node& node) {
  const DType dtype = node.type.dtype;
  const std::string x = body.widened(body.input("x"), dtype);
  if (node.string_attr("form") == "erf") {
    const std::string scaled = body.add("Mul", {x, body.number(1 / std::numbers::sqrt2)});
    return half_of(body, x, body.add("Erf", {scaled}), dtype);
  }
  const std::string cube = body.add("Mul", {x, body.add("Mul", {x, x})});
  const std::string bent = body.add("Add", {x, body.add("Mul", {cube, body.number(0.044715)})});
  const double root = std::sqrt(2 / std::numbers::pi);
  half_of(body, x, body.add("Tanh", {body.add("Mul", {bent, body.number(root)})}), dtype);
}

void ErfV2(FunctionBody& body, const Node& node) {
  const std::string x = body.widened(body.input("x"), node.type.dtype);
  body.narrowed(body.add("Erf", {x}), node.type.dtype);
}

void LayerNorm(FunctionBody& body, const Node& node) {
  const DType dtype = node.type.dtype;
  const std::string given = body.input("x"), gamma = body.input("gamma"), beta = body.input("beta");
  const std::string x = body.widened(given, dtype);
  const std::string scale = body.widened(gamma, dtype);
  // An attribute of ONNX is a float.
  const double eps{static_cast<float>(node.float_attr("eps"))};
  const std::string normal = body.add("LayerNormalization",
                                      {
                                          x, scale, body.widened(beta, dtype)
  },
                                      {{"axis", int64_t{-1}}, {"epsilon", eps}});
  body.narrowed(normal, dtype);
}

void RmsNorm(FunctionBody& body, const Node& node) {
  const DType dtype = node.type.dtype;
  const std::string given = body.input("x"), gamma = body.input("gamma");
  const std::string x = body.widened(given, dtype);
  const std::string mean = body.mean(body.add("Mul", {x, x}), -1);
  const std::string raised = body.add("Add", {mean, body.number(node.float_attr("eps"))});
  const std::string normal = body.add("Div", {x, body.add("Sqrt", {raised})});
  body.narrowed(body.add("Mul", {normal, body.widened(gamma, dtype)}), dtype);
}

void Rotary(FunctionBody& body, const Node& node) {
  const DType dtype = node.type.dtype;
  const Shape& shape = node.type.shape;
  const int64_t heads = node.int_attr("heads"), depth = shape[2] / heads;
  const bool pairs = node.string_attr("form") == "pairs";
  const std::string given = body.input("x"), cos = body.input("cos"), sin = body.input("sin");
  // The two numbers of a pair beside each other along an axis of their own, exchanged.
  const Shape parted = {shape[0], shape[1], heads, pairs ? depth / 2 : 2, pairs ? 2 : depth / 2};
  const std::string x = body.widened(given, dtype);
  const std::string swapped = body.add("Gather",
                                       {
                                           body.reshape(x, parted), body.counter(1, -1, 2, {2}
                                                )
  },
                                       {{"axis", int64_t{pairs ? 4 : 3}}});
  const Shape by_head = {shape[0], shape[1], heads, depth};
  const auto angle = [&](const std::string& of, size_t operand) {
    return body.reshape(body.widened(of, dtype),
                        {node.in[operand]->type.shape[0], shape[1], 1, depth});
  };
  const std::string straight = body.add("Mul", {body.reshape(x, by_head), angle(cos, 1)});
  const std::string across = body.add("Mul", {body.reshape(swapped, by_head), angle(sin, 2)});
  body.narrowed(body.reshape(body.add("Add", {straight, across}), shape), dtype);
}

}  // namespace tessera::bodies
