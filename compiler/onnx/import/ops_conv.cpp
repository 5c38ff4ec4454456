// SPDX-License-Identifier: Apache-2.0
// ONNX's convolution: the elements that each window sees, side by side, times the kernel.
//
// Channels stand last while that is put together, so that what a window sees is a concatenation of
// slices, and a kernel of one element is a matmul of the image as it is. Where the stride and the
// kernel have a common divisor, the image is cut into blocks of that size first: patches that do
// not overlap are blocks then, and nothing is copied for them. A kernel for each channel alone has
// nothing to sum over channels: it is multiplied and added, element by element.
#include <algorithm>
#include <numeric>

#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/import/quantized.h"
#include "compiler/onnx/import/windows.h"

namespace tessera::handlers {
namespace {

// Slices of one axis that are put side by side, or summed. Longer kernels are refused.
constexpr int64_t kMostTaps = 256;
// The elements that im2col copies for one matmul at most. A larger convolution is a sum of matmuls
// over parts of its taps.
constexpr int64_t kMostCopied = int64_t{1} << 24;
// Multiplied and added tap by tap up to here; a matmul has fewer nodes.
constexpr int64_t kMostAdded = 64;

struct Conv {
  Shape image, kernel;
  int64_t groups = 1;
  std::vector<Window> axes;
  std::vector<int64_t> block;  // along each axis: the kernel and the stride are multiples of it
  Node *image_zero = nullptr, *kernel_zero = nullptr;  // of a convolution of bytes

  int64_t rows() const { return image[0]; }
  int64_t inputs() const { return kernel[1]; }  // of a group
  int64_t outputs() const { return kernel[0] / groups; }
  int64_t taps(size_t i) const { return axes[i].kernel / block[i]; }
  int64_t all_taps() const {
    int64_t count = 1;
    for (size_t i = 0; i < axes.size(); ++i) count *= taps(i);
    return count;
  }
  Shape places() const {
    Shape shape;
    for (const Window& axis : axes) shape.push_back(axis.count);
    return shape;
  }
  int64_t block_size() const {
    return inputs() * std::accumulate(block.begin(), block.end(), int64_t{1}, std::multiplies<>());
  }
  // Without blocks, once the image is cut into them.
  Window window_of_blocks(size_t i) const {
    Window window = axes[i];
    window.kernel = taps(i);
    window.stride /= block[i];
    return window;
  }
};

Shape joined(Shape a, const Shape& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Expected<Conv> read_conv(Call& call) {
  Conv conv{.image = call.shape(0),
            .kernel = call.shape(1),
            .groups = call.attr("group", int64_t{1}),
            .axes = {},
            .block = {}};
  const Shape &image = conv.image, &kernel = conv.kernel;
  const bool fits = image.size() >= 3 && kernel.size() == image.size() && conv.groups > 0 &&
                    kernel[1] > 0 && kernel[0] > 0 && image[0] > 0 && image[1] % conv.groups == 0 &&
                    image[1] / conv.groups == kernel[1] && kernel[0] % conv.groups == 0;
  if (!fits)
    return call.error("input is " + to_string(call.in(0)->type) + " and kernel " +
                      to_string(call.in(1)->type) + ", must be [batch,channels,…] and [outputs," +
                      "channels / groups,…] for " + std::to_string(conv.groups) +
                      " groups, which divide both");
  const Shape sizes(kernel.begin() + 2, kernel.end());
  if (call.has_attr("kernel_shape") && call.ints_attr("kernel_shape") != sizes)
    return call.error("kernel_shape is " + to_string(call.ints_attr("kernel_shape")) +
                      " and the kernel " + to_string(call.in(1)->type) + ", must agree");
  const bool of_bytes = call.op_type() == "ConvInteger";
  if (!of_bytes && call.in(2) && call.shape(2) != Shape{kernel[0]})
    return call.error("bias is " + to_string(call.in(2)->type) + ", must have one number for " +
                      "each of the " + std::to_string(kernel[0]) + " outputs");
  conv.axes = TRY(read_windows(call, sizes));
  for (size_t i = 0; i < conv.axes.size(); ++i) {
    const Window& axis = conv.axes[i];
    conv.block.push_back(axis.dilation == 1 ? std::gcd(axis.kernel, axis.stride) : 1);
    if (conv.taps(i) > kMostTaps)
      return call.error("kernel is " + to_string(call.in(1)->type) + ", must be at most " +
                        std::to_string(kMostTaps) + " long where windows overlap");
  }
  return conv;
}

// The axes of a value of which some are split into (blocks, block).
struct SplitAxes {
  Shape shape;
  std::vector<int64_t> outer, inner;  // where they stand

  void add(int64_t size, int64_t block) {
    outer.push_back(std::ssize(shape));
    shape.push_back(size / block);
    if (block == 1) return;
    inner.push_back(std::ssize(shape));
    shape.push_back(block);
  }
};

// Groups first. Channels go last before that, as a matmul of one group has them: a transpose there
// undoes one that an exporter put before the convolution.
Expected<Node*> in_groups(Call& call, const Conv& conv, Node* x) {
  const auto rank = std::ssize(x->type.shape);
  std::vector<int64_t> last = {0}, first = {rank - 1, 0};
  Shape shape = {conv.rows()};
  for (int64_t axis = 2; axis < rank; ++axis) {
    last.push_back(axis);
    first.push_back(axis - 1);
    shape.push_back(x->type.shape[static_cast<size_t>(axis)]);
  }
  last.push_back(1);
  first.push_back(rank);
  x = TRY(call.transpose(x, last));
  x = TRY(call.reshape(x, joined(shape, {conv.groups, conv.inputs()})));
  return call.transpose(x, first);
}

// [groups, batch, places…, block], without an axis for one group.
Expected<Node*> in_blocks(Call& call, const Conv& conv, Node* x) {
  const bool has_blocks = std::ranges::any_of(conv.block, [](int64_t size) { return size > 1; });
  if (conv.groups > 1 && !has_blocks) return in_groups(call, conv, x);
  SplitAxes split;
  std::vector<int64_t> perm;
  split.shape = {conv.rows()};
  if (conv.groups > 1) {
    split.shape.push_back(conv.groups);
    perm.push_back(1);
  }
  perm.push_back(0);
  const int64_t channels = std::ssize(split.shape);
  split.shape.push_back(conv.inputs());
  Shape out = {conv.rows()};
  if (conv.groups > 1) out.insert(out.begin(), conv.groups);
  for (size_t i = 0; i < conv.axes.size(); ++i) {
    split.add(x->type.shape[i + 2], conv.block[i]);
    out.push_back(x->type.shape[i + 2] / conv.block[i]);
  }
  out.push_back(conv.block_size());
  perm.insert(perm.end(), split.outer.begin(), split.outer.end());
  perm.push_back(channels);
  perm.insert(perm.end(), split.inner.begin(), split.inner.end());
  x = TRY(call.reshape(x, split.shape));
  return call.reshape(TRY(call.transpose(x, perm)), out);
}

// [groups, taps, block, outputs] by rows: the kernel in the order in which windows are put
// together.
Expected<Node*> kernel_in_blocks(Call& call, const Conv& conv, Node* weights) {
  const int64_t inner = conv.all_taps() * conv.block_size();
  if (conv.groups == 1 && conv.all_taps() == 1)
    return transposed(call, TRY(call.reshape(weights, {conv.kernel[0], inner})));
  SplitAxes split;
  std::vector<int64_t> perm;
  if (conv.groups > 1) {
    split.shape.push_back(conv.groups);
    perm.push_back(0);
  }
  const int64_t outputs = std::ssize(split.shape);
  split.shape.push_back(conv.outputs());
  split.shape.push_back(conv.inputs());
  for (size_t i = 0; i < conv.axes.size(); ++i) split.add(conv.kernel[i + 2], conv.block[i]);
  perm.insert(perm.end(), split.outer.begin(), split.outer.end());
  perm.push_back(outputs + 1);
  perm.insert(perm.end(), split.inner.begin(), split.inner.end());
  perm.push_back(outputs);
  Node* x = TRY(call.transpose(TRY(call.reshape(weights, split.shape)), perm));
  Shape out = {inner, conv.outputs()};
  if (conv.groups > 1) out.insert(out.begin(), conv.groups);
  return call.reshape(x, out);
}

// Taps `from` to `to` of an axis side by side along the last one.
Expected<Node*> side_by_side(Call& call, Node* x, size_t axis, const Window& window, int64_t from,
                             int64_t to) {
  std::vector<Node*> parts;
  for (int64_t tap = from; tap < to; ++tap)
    parts.push_back(TRY(slice_axis(call, x, axis, tap_of(window, tap))));
  if (parts.size() == 1) return parts[0];
  return call.add(Op::Concat, parts, with("axis", std::ssize(x->type.shape) - 1));
}

// [groups, batch · places, inner] for a product with the kernel; one group keeps the batch apart.
Expected<Node*> flat_places(Call& call, const Conv& conv, Node* x) {
  const int64_t inner = x->type.shape.back(), places = elements(conv.places());
  if (conv.groups == 1) return call.reshape(x, {conv.rows(), places, inner});
  return call.reshape(x, {conv.groups, conv.rows() * places, inner});
}

// Rows of the kernel's second to last axis.
Expected<Node*> kernel_part(Call& call, Node* kernel, int64_t from, int64_t count) {
  const size_t axis = kernel->type.shape.size() - 2;
  return slice_axis(call, kernel, axis, {from, 1, count});
}

// [groups,1,outputs] of a zero point for each output, or of one for all.
Expected<Node*> zero_of_outputs(Call& call, const Conv& conv, Node* kernel) {
  Shape shape = kernel->type.shape;
  shape.end()[-2] = 1;
  Node* zero = conv.kernel_zero;
  const int64_t count = elements(zero->type.shape);
  if (count == 1) return call.broadcast(TRY(call.reshape(zero, {})), shape);
  if (count == conv.kernel[0]) return call.reshape(zero, shape);
  return call.error("zero point of the kernel is " + to_string(zero->type) +
                    ", must have one number, or one for each of the " +
                    std::to_string(conv.kernel[0]) + " outputs");
}

Expected<Node*> of_windows(Call& call, const Conv& conv, Node* seen, Node* kernel) {
  if (!conv.image_zero) return call.add(Op::MatMul, {seen, kernel});
  Shape rows = seen->type.shape;
  rows.back() = 1;
  Node* zero = TRY(call.broadcast(TRY(call.reshape(conv.image_zero, {})), rows));
  return call.add(Op::MatMulInteger,
                  {seen, kernel, zero, TRY(zero_of_outputs(call, conv, kernel))});
}

Expected<Node*> product(Call& call, const Conv& conv, Node* x, Node* kernel) {
  const size_t first = conv.groups > 1 ? 2 : 1;
  for (size_t i = conv.axes.size(); i-- > 1;) {
    const Window window = conv.window_of_blocks(i);
    x = TRY(side_by_side(call, x, first + i, window, 0, window.kernel));
  }
  const Window window = conv.window_of_blocks(0);
  const int64_t inner = x->type.shape.back();
  const int64_t copied = conv.rows() * conv.groups * elements(conv.places()) * inner;
  const int64_t together = std::clamp<int64_t>(kMostCopied / copied, 1, window.kernel);
  Node* sum = nullptr;
  for (int64_t tap = 0; tap < window.kernel; tap += together) {
    const int64_t count = std::min(together, window.kernel - tap);
    Node* seen = TRY(side_by_side(call, x, first, window, tap, tap + count));
    seen = TRY(flat_places(call, conv, seen));
    Node* part = TRY(kernel_part(call, kernel, tap * inner, count * inner));
    part = TRY(of_windows(call, conv, seen, part));
    sum = sum ? TRY(call.add(Op::Add, {sum, part})) : part;
  }
  return sum;
}

// The sum over channels of a group, by a matmul.
Expected<Node*> multiplied(Call& call, const Conv& conv, Node* x, Node* weights, Node* bias) {
  x = TRY(in_blocks(call, conv, x));
  Node* out = TRY(product(call, conv, x, TRY(kernel_in_blocks(call, conv, weights))));
  if (bias) {
    if (conv.groups > 1) bias = TRY(call.reshape(bias, {conv.groups, 1, conv.outputs()}));
    out = TRY(call.add(Op::Add, {out, TRY(call.broadcast(bias, out->type.shape))}));
  }
  const int64_t places = elements(conv.places());
  if (conv.groups == 1) return transposed(call, out);
  out = TRY(call.reshape(out, {conv.groups, conv.rows(), places, conv.outputs()}));
  out = TRY(call.transpose(out, {1, 2, 0, 3}));
  return transposed(call, TRY(call.reshape(out, {conv.rows(), places, conv.kernel[0]})));
}

bool is_by_channel(const Conv& conv) {
  int64_t taps = 1;
  for (const Window& axis : conv.axes) taps *= std::min(axis.kernel, kMostAdded + 1);
  return conv.inputs() == 1 && conv.outputs() == 1 && conv.groups > 1 && taps <= kMostAdded;
}

// One number for each channel, beside the image.
Expected<Node*> by_channel(Call& call, Node* numbers, const Shape& image) {
  Shape shape(image.size() - 1, 1);
  shape[0] = image[1];
  return call.broadcast(TRY(call.reshape(numbers, shape)), image);
}

Expected<Node*> added_up(Call& call, const Conv& conv, Node* x) {
  const Shape out = joined({conv.rows(), conv.kernel[0]}, conv.places());
  const Shape kernel(conv.kernel.begin() + 2, conv.kernel.end());
  const Shape strides = row_major_strides(kernel);
  Node* weights = TRY(call.reshape(call.in(1), {conv.kernel[0], elements(kernel)}));
  Node* sum = call.in(2) ? TRY(by_channel(call, call.in(2), out)) : nullptr;
  for (int64_t tap = 0; tap < elements(kernel); ++tap) {
    Node* seen = x;
    for (size_t i = 0; i < kernel.size(); ++i)
      seen = TRY(slice_axis(call, seen, i + 2, tap_of(conv.axes[i], tap / strides[i] % kernel[i])));
    Node* weight = TRY(slice_axis(call, weights, 1, {tap, 1, 1}));
    Node* part = TRY(call.add(Op::Mul, {seen, TRY(by_channel(call, weight, out))}));
    sum = sum ? TRY(call.add(Op::Add, {sum, part})) : part;
  }
  return sum;
}

}  // namespace

namespace {

Status bind_in_shape(Call& call, const Conv& conv, Node* out) {
  const Shape shape = joined({conv.rows(), conv.kernel[0]}, conv.places());
  if (out->type.shape != shape) return call.result(Op::Reshape, {out}, with("shape", shape));
  call.bind(0, out);
  return {};
}

}  // namespace

Status conv(Call& call) {
  const Conv conv = TRY(read_conv(call));
  Node* x = call.in(0);
  Node* zero = TRY(call.full({call.dtype(0), {}}, 0));
  for (size_t i = 0; i < conv.axes.size(); ++i)
    x = TRY(seen_through(call, x, i + 2, conv.axes[i], zero));
  Node* out = is_by_channel(conv) ? TRY(added_up(call, conv, x))
                                  : TRY(multiplied(call, conv, x, call.in(1), call.in(2)));
  return bind_in_shape(call, conv, out);
}

// The image is padded with its zero point.
Status conv_integer(Call& call) {
  Conv conv = TRY(read_conv(call));
  conv.image_zero = TRY(zero_or(call, 2, TRY(byte_type(call, 0))));
  conv.kernel_zero = TRY(zero_or(call, 3, TRY(byte_type(call, 1))));
  if (elements(conv.image_zero->type.shape) != 1)
    return call.error("zero point of the image is " + to_string(conv.image_zero->type) +
                      ", must have one number");
  Node* x = TRY(as_stored(call, 0));
  Node* around = TRY(call.reshape(conv.image_zero, {}));
  for (size_t i = 0; i < conv.axes.size(); ++i)
    x = TRY(seen_through(call, x, i + 2, conv.axes[i], around));
  return bind_in_shape(call, conv,
                       TRY(multiplied(call, conv, x, TRY(as_stored(call, 1)), nullptr)));
}

}  // namespace tessera::handlers
