// SPDX-License-Identifier: Apache-2.0
// ONNX's norms of images, as they stand before the encoders of sound and pictures.
#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

// A number for each channel, beside [batch, channels, …].
Expected<Node*> by_channel(Call& call, size_t i, const char* what) {
  const Shape& image = call.shape(0);
  if (call.shape(i) != Shape{image[1]})
    return call.error(std::string(what) + " is " + to_string(call.in(i)->type) +
                      ", must have one number for each of the " + std::to_string(image[1]) +
                      " channels");
  Shape shape(image.size() - 1, 1);
  shape[0] = image[1];
  return call.reshape(call.in(i), shape);
}

Status check_image(const Call& call, size_t least) {
  if (call.shape(0).size() >= least && elements(call.shape(0)) > 0) return {};
  return call.error("input is " + to_string(call.in(0)->type) +
                    ", must be [batch,channels,…] with elements along every axis");
}

}  // namespace

// Every channel of every image by its own mean and deviation: a layer_norm of its elements.
Status instance_norm(Call& call) {
  TRY(check_image(call, 3));
  const Shape& image = call.shape(0);
  const int64_t size = elements({image.begin() + 2, image.end()});
  Node* scale = TRY(by_channel(call, 1, "scale"));
  Node* bias = TRY(by_channel(call, 2, "bias"));
  Node* x = TRY(call.reshape(call.in(0), {image[0], image[1], size}));
  Node* one = TRY(call.full({call.dtype(0), {size}}, 1));
  Node* zero = TRY(call.full({call.dtype(0), {size}}, 0));
  x = TRY(call.add(Op::LayerNorm, {x, one, zero}, with("eps", call.attr("epsilon", 1e-5))));
  x = TRY(call.reshape(x, image));
  x = TRY(call.add(Op::Mul, {x, TRY(call.broadcast(scale, image))}));
  return call.result(Op::Add, {x, TRY(call.broadcast(bias, image))});
}

// By means and variances that training left: (x - mean) · scale / sqrt(variance + epsilon) + bias.
Status batch_norm(Call& call) {
  TRY(check_image(call, 2));
  if (call.attr("training_mode", int64_t{0}) != 0)
    return call.error("training_mode is on, must be off");
  if (call.attr("spatial", int64_t{1}) != 1) return call.error("spatial is 0, must be 1");
  const Shape& image = call.shape(0);
  Node* scale = TRY(by_channel(call, 1, "scale"));
  Node* bias = TRY(by_channel(call, 2, "bias"));
  Node* mean = TRY(by_channel(call, 3, "mean"));
  Node* variance = TRY(by_channel(call, 4, "variance"));
  Node* epsilon = TRY(call.like(variance, call.attr("epsilon", 1e-5)));
  Node* deviation = TRY(call.add(Op::Sqrt, {TRY(call.add(Op::Add, {variance, epsilon}))}));
  Node* factor = TRY(call.add(Op::Div, {scale, deviation}));
  Node* x = TRY(call.add(Op::Sub, {call.in(0), TRY(call.broadcast(mean, image))}));
  x = TRY(call.add(Op::Mul, {x, TRY(call.broadcast(factor, image))}));
  return call.result(Op::Add, {x, TRY(call.broadcast(bias, image))});
}

}  // namespace tessera::handlers
