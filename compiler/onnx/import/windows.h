// SPDX-License-Identifier: Apache-2.0
// The windows that convolutions and pools look through: where they stand along each axis of an
// image [batch, channels, axes…], and the elements that they see.
#pragma once

#include <vector>

#include "compiler/onnx/import/call.h"

namespace tessera {

// Along one axis of an image.
struct Window {
  int64_t size = 0;  // of the image
  int64_t kernel = 1, stride = 1, dilation = 1;
  int64_t before = 0, after = 0;  // padding
  int64_t count = 0;              // of windows

  int64_t reach() const { return (kernel - 1) * dilation + 1; }
  // As far as the last window sees, from the start of the padding before the image.
  int64_t extent() const { return (count - 1) * stride + reach(); }
  // The windows cut the axis into blocks and leave nothing out.
  bool cuts() const { return stride == kernel && dilation == 1; }
};

// By the attributes strides, pads, dilations, auto_pad and ceil_mode of a node whose operand 0 is
// the image; `kernel` has a size for each axis behind channels. There is at least one window along
// each axis, and no number that it has leaves 2^40.
Expected<std::vector<Window>> read_windows(Call& call, const Shape& kernel);

// A longer axis: `value`, one number, `before` times in front of it and `after` times behind.
Expected<Node*> pad_axis(Call& call, Node* x, size_t axis, int64_t before, int64_t after,
                         Node* value);
// x with its padding along `axis`, cut behind the last element that a window sees.
Expected<Node*> seen_through(Call& call, Node* x, size_t axis, const Window& window, Node* value);

// `count` elements of an axis.
struct Steps {
  int64_t start = 0, step = 1, count = 0;
};
Expected<Node*> slice_axis(Call& call, Node* x, size_t axis, const Steps& steps);
// Element `tap` of every window, of an axis that seen_through has settled.
inline Steps tap_of(const Window& window, int64_t tap) {
  return {tap * window.dilation, window.stride, window.count};
}

}  // namespace tessera
