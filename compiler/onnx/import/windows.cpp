// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/windows.h"

#include <algorithm>

#include "support/math.h"

namespace tessera {
namespace {

constexpr int64_t kMost = int64_t{1} << 31;  // of any attribute, so that no product leaves int64

Expected<std::vector<int64_t>> numbers(const Call& call, const char* name, size_t count,
                                       int64_t least, int64_t otherwise) {
  std::vector<int64_t> values = call.ints_attr(name);
  if (!call.has_attr(name)) values.assign(count, otherwise);
  const bool fits =
      std::ranges::all_of(values, [&](int64_t value) { return value >= least && value <= kMost; });
  if (values.size() == count && fits) return values;
  return call.error(std::string(name) + " are " + to_string(values) + ", must be " +
                    std::to_string(count) + " numbers from " + std::to_string(least) + " to " +
                    std::to_string(kMost));
}

// As many windows as the image has strides; what that takes is padded on both sides.
void pad_to_same(Window& window, bool more_before) {
  window.count = ceil_div(window.size, window.stride);
  const int64_t added = std::max<int64_t>(0, window.extent() - window.size);
  window.before = more_before ? added - added / 2 : added / 2;
  window.after = added - window.before;
}

// Rounded up, one more window may begin in the image or before it.
void count_windows(Window& window, bool rounds_up) {
  const int64_t way = window.before + window.size + window.after - window.reach();
  if (way < 0) return;
  window.count = way / window.stride + 1;
  if (rounds_up && way % window.stride != 0 &&
      window.count * window.stride < window.before + window.size)
    ++window.count;
}

}  // namespace

Expected<std::vector<Window>> read_windows(Call& call, const Shape& kernel) {
  const size_t axes = kernel.size();
  const Shape& image = call.shape(0);
  const auto strides = TRY(numbers(call, "strides", axes, 1, 1));
  const auto dilations = TRY(numbers(call, "dilations", axes, 1, 1));
  const auto pads = TRY(numbers(call, "pads", 2 * axes, 0, 0));
  const std::string auto_pad = call.attr("auto_pad", "NOTSET");
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  if (!same && auto_pad != "NOTSET" && auto_pad != "VALID")
    return call.error("auto_pad is '" + auto_pad +
                      "', must be 'NOTSET', 'VALID', 'SAME_UPPER' or 'SAME_LOWER'");
  std::vector<Window> windows;
  for (size_t i = 0; i < axes; ++i) {
    Window window{image[i + 2], kernel[i], strides[i], dilations[i], 0, 0, 0};
    if (window.kernel < 1 || window.kernel > kMost || window.size < 1)
      return call.error("kernel is " + to_string(kernel) + " and input " +
                        to_string(call.in(0)->type) + ", must have elements along every axis");
    if (same) {
      pad_to_same(window, auto_pad == "SAME_LOWER");
    } else {
      if (auto_pad == "NOTSET") {
        window.before = pads[i];
        window.after = pads[axes + i];
      }
      count_windows(window, call.attr("ceil_mode", int64_t{0}) != 0);
    }
    if (window.count < 1 || window.extent() > kMaxElements)
      return call.error("a window reaches over " + std::to_string(window.reach()) +
                        " elements along axis " + std::to_string(i + 2) + ", which has " +
                        std::to_string(window.before + window.size + window.after) +
                        " with its padding, must fit into them");
    windows.push_back(window);
  }
  return windows;
}

Expected<Node*> pad_axis(Call& call, Node* x, size_t axis, int64_t before, int64_t after,
                         Node* value) {
  const auto block = [&](int64_t size) -> Expected<Node*> {
    Shape shape = x->type.shape;
    shape[axis] = size;
    if (!is_valid_shape(shape)) return call.error("pads to a shape that is too large");
    return call.broadcast(value, shape);
  };
  std::vector<Node*> parts;
  if (before > 0) parts.push_back(TRY(block(before)));
  parts.push_back(x);
  if (after > 0) parts.push_back(TRY(block(after)));
  if (parts.size() == 1) return x;
  return call.add(Op::Concat, parts, with("axis", static_cast<int64_t>(axis)));
}

Expected<Node*> seen_through(Call& call, Node* x, size_t axis, const Window& window, Node* value) {
  const int64_t seen = window.extent() - window.before;  // of the image and what stands behind
  if (seen <= 0) {
    Shape shape = x->type.shape;
    shape[axis] = window.extent();
    return call.broadcast(value, shape);
  }
  if (seen < window.size) x = TRY(slice_axis(call, x, axis, {0, 1, seen}));
  return pad_axis(call, x, axis, window.before, std::max<int64_t>(0, seen - window.size), value);
}

Expected<Node*> slice_axis(Call& call, Node* x, size_t axis, const Steps& steps) {
  const Shape& shape = x->type.shape;
  if (steps.start == 0 && steps.step == 1 && steps.count == shape[axis]) return x;
  std::vector<int64_t> start(shape.size(), 0), step(shape.size(), 1), size = shape;
  start[axis] = steps.start;
  step[axis] = steps.count == 1 ? 1 : steps.step;
  size[axis] = steps.count;
  const Call::Attrs attrs = {
      {"start", start},
      {"step",  step },
      {"size",  size }
  };
  return call.add(Op::Slice, {x}, attrs);
}

}  // namespace tessera
