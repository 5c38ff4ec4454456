// SPDX-License-Identifier: Apache-2.0
// quantize, dequantize: between floats and the whole numbers of i8 and u8, as ONNX's QuantizeLinear
// and DequantizeLinear. A number that a scale divides or multiplies is rounded to f32 before
// anything else happens to it, so that a number halfway between two goes the same way everywhere.
//
// row_ends, segment_max: how far the numbers of a row, and of all rows of a request, reach to both
// sides of 0: what a scale is made of while the model runs.
#include <algorithm>
#include <cmath>

#include "ir/ops/ops.h"

namespace tessera::ops {
namespace {

// Shapes are one, as of all elementwise ops.
Status check_shapes(const Node& node) {
  for (const Node* operand : node.in) {
    if (operand->type.shape == node.in[0]->type.shape) continue;
    return fail(node, "inputs are " + to_string(node.in[0]->type) + " and " +
                          to_string(operand->type) + ", whose shapes must be equal");
  }
  return {};
}

Status check_input(const Node& node, size_t i, const char* what, bool right, const char* words) {
  if (right) return {};
  return fail(node, std::string(what) + " is " + to_string(node.in[i]->type) +
                        ", its elements must be " + words);
}

// NaN where either is.
double greater(double a, double b) { return a > b || std::isnan(a) ? a : b; }

float as_float(double x) { return static_cast<float>(x); }

}  // namespace

Expected<TensorType> Quantize::infer(const Node& node) {
  const std::optional<DType> to = parse_dtype(node.string_attr("to"));
  if (!to || !is_byte(*to))
    return fail(node, "to is \"" + node.string_attr("to") + "\", must be i8 or u8");
  TRY(check_shapes(node));
  TRY(check_input(node, 0, "input", is_float(node.in[0]->type.dtype), "f32 or f16"));
  TRY(check_input(node, 1, "scale", node.in[1]->type.dtype == DType::F32, "f32"));
  TRY(check_input(node, 2, "zero point", node.in[2]->type.dtype == *to, "what to says"));
  return TensorType{*to, node.in[0]->type.shape};
}

// A number past the ends of the type becomes the end when the caller rounds.
Expected<Array> Quantize::eval(const Node& node, std::span<const Array> in) {
  Array out = zeros(node);
  for (size_t i = 0; i < out.data.size(); ++i) {
    const float quotient = as_float(in[0].data[i]) / as_float(in[1].data[i]);
    out.data[i] = std::nearbyint(quotient) + in[2].data[i];
  }
  return out;
}

Expected<TensorType> Dequantize::infer(const Node& node) {
  const DType dtype = node.in[0]->type.dtype;
  TRY(check_shapes(node));
  TRY(check_input(node, 0, "input", is_byte(dtype) || dtype == DType::I32, "i8, u8 or i32"));
  TRY(check_input(node, 1, "scale", node.in[1]->type.dtype == DType::F32, "f32"));
  TRY(check_input(node, 2, "zero point", node.in[2]->type.dtype == dtype, "those of the input"));
  return TensorType{DType::F32, node.in[0]->type.shape};
}

Expected<Array> Dequantize::eval(const Node& node, std::span<const Array> in) {
  Array out = zeros(node);
  for (size_t i = 0; i < out.data.size(); ++i)
    out.data[i] = as_float(in[0].data[i] - in[2].data[i]) * as_float(in[1].data[i]);
  return out;
}

Expected<TensorType> RowEnds::infer(const Node& node) {
  TensorType type = node.in[0]->type;
  TRY(check_input(node, 0, "input", is_float(type.dtype), "f32 or f16"));
  if (type.shape.empty())
    return fail(node, "input is " + to_string(type) + ", must have at least 1 dimension");
  type.dtype = DType::F32;
  type.shape.back() = 2;
  return type;
}

Expected<Array> RowEnds::eval(const Node& node, std::span<const Array> in) {
  Array out = zeros(node);
  const auto n = static_cast<size_t>(in[0].type.shape.back());
  for (size_t row = 0; row < out.data.size() / 2; ++row) {
    double &below = out.data[2 * row], &above = out.data[2 * row + 1];
    for (size_t i = 0; i < n; ++i) {
      below = greater(below, -in[0].data[row * n + i]);
      above = greater(above, in[0].data[row * n + i]);
    }
  }
  return out;
}

Expected<TensorType> SegmentMax::infer(const Node& node) {
  const TensorType &x = node.in[0]->type, &ids = node.in[1]->type;
  TRY(check_input(node, 0, "input", x.dtype == DType::F32, "f32"));
  if (x.shape.size() != 3)
    return fail(node, "input is " + to_string(x) + ", must have 3 dimensions");
  const TensorType wanted{
      DType::I32, {x.shape[0], x.shape[1]}
  };
  if (ids != wanted)
    return fail(node, "segments are " + to_string(ids) + ", must be " + to_string(wanted));
  return x;
}

Expected<Array> SegmentMax::eval(const Node& node, std::span<const Array> in) {
  Array out{node.type, in[0].data};
  const Shape& shape = node.type.shape;
  const auto at = [&](int64_t row, int64_t token, int64_t i) {
    return static_cast<size_t>((row * shape[1] + token) * shape[2] + i);
  };
  const auto id = [&](int64_t row, int64_t token) {
    return in[1].data[static_cast<size_t>(row * shape[1] + token)];
  };
  for (int64_t row = 0; row < shape[0]; ++row)
    for (int64_t token = 0; token < shape[1]; ++token)
      for (int64_t other = 0; other < shape[1]; ++other) {
        if (id(row, token) == 0 || id(row, token) != id(row, other)) continue;
        for (int64_t i = 0; i < shape[2]; ++i) {
          double& most = out.data[at(row, token, i)];
          most = greater(most, in[0].data[at(row, other, i)]);
        }
      }
  return out;
}

}  // namespace tessera::ops
