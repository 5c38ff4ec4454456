// SPDX-License-Identifier: Apache-2.0
// Norms of newer opsets. RMSNormalization is rms_norm; GroupNormalization is layer_norm of each
// group, and what is done to each channel after it.
#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {

// RMSNormalization takes all axes from `axis` on as one row.
Status rms_norm(Call& call) {
  const int64_t axis = TRY(call.axis(call.attr("axis", int64_t{-1}), call.rank(0)));
  const Shape shape = call.shape(0);
  const Shape normalized(shape.begin() + axis, shape.end());
  Shape rows(shape.begin(), shape.begin() + axis);
  rows.push_back(elements(normalized));
  // The result is of the type of the scale.
  Node* x = TRY(call.reshape(TRY(call.cast(call.in(0), call.dtype(1))), rows));
  Node* scale = TRY(call.reshape(TRY(call.broadcast(call.in(1), normalized)), {rows.back()}));
  const Call::Attrs eps = with("eps", call.attr("epsilon", double{1e-5f}));
  if (rows == shape) return call.result(Op::RmsNorm, {x, scale}, eps);
  Node* out = TRY(call.add(Op::RmsNorm, {x, scale}, eps));
  return call.result(Op::Reshape, {out}, with("shape", shape));
}

namespace {

// Rows of one group each, with mean 0 and variance 1.
Expected<Node*> standardized(Call& call, const Shape& rows) {
  const TensorType row{call.dtype(0), {rows.back()}};
  Node* x = TRY(call.reshape(call.in(0), rows));
  Node* ones = TRY(call.full(row, 1));
  Node* zeros = TRY(call.full(row, 0));
  const Call::Attrs eps = with("eps", call.attr("epsilon", double{1e-5f}));
  return call.add(Op::LayerNorm, {x, ones, zeros}, eps);
}

// Operand i, a number for each channel (before opset 21 for each group), stretched over x.
Expected<Node*> for_each_channel(Call& call, size_t i, const Shape& rows) {
  const Shape& shape = call.shape(0);
  const bool of_groups = call.opset < 21;
  const int64_t wanted = of_groups ? rows[1] : shape[1];
  if (call.shape(i) != Shape{wanted})
    return call.error(std::string(i == 1 ? "scale" : "bias") + " is " +
                      to_string(call.in(i)->type) + ", must have one number for each of " +
                      std::to_string(wanted) + (of_groups ? " groups" : " channels"));
  Node* each = TRY(call.cast(call.in(i), call.dtype(0)));
  if (of_groups) {
    each = TRY(call.reshape(each, {1, wanted, 1}));
    return call.reshape(TRY(call.broadcast(each, rows)), shape);
  }
  Shape thin(shape.size(), 1);
  thin[1] = wanted;
  return call.broadcast(TRY(call.reshape(each, thin)), shape);
}

}  // namespace

Status group_norm(Call& call) {
  const Shape shape = call.shape(0);
  const int64_t groups = call.attr("num_groups", int64_t{0});
  if (shape.size() < 2 || groups < 1 || shape[1] % groups != 0)
    return call.error("input is " + to_string(call.in(0)->type) + " and num_groups is " +
                      std::to_string(groups) +
                      ", must be [batch, channels, …] and divide the channels");
  const Shape rows = {shape[0], groups, elements(shape) / std::max<int64_t>(1, shape[0] * groups)};
  Node* norm = TRY(call.reshape(TRY(standardized(call, rows)), shape));
  Node* scaled = TRY(call.add(Op::Mul, {norm, TRY(for_each_channel(call, 1, rows))}));
  return call.result(Op::Add, {scaled, TRY(for_each_channel(call, 2, rows))});
}

}  // namespace tessera::handlers
