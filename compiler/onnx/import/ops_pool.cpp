// SPDX-License-Identifier: Apache-2.0
// ONNX's pools: the mean or the maximum of the elements that each window sees. One axis after the
// other, because both are the same in any order. An axis that windows cut into blocks is reshaped
// and reduced; along any other one, the windows' first elements meet their second ones, and so on.
#include <algorithm>
#include <limits>
#include <numeric>

#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/import/windows.h"
#include "support/math.h"

namespace tessera::handlers {
namespace {

// Longer windows than this must not overlap.
constexpr int64_t kMostTaps = 256;

struct Pooling {
  Op pair, many;     // of two values, and of axes of one
  double beginning;  // which changes no result
};

double lowest_of(DType dtype) {
  return dtype == DType::I32 ? std::numeric_limits<int32_t>::min()
                             : -std::numeric_limits<double>::infinity();
}

Expected<std::vector<Window>> pool_windows(Call& call) {
  const Shape& image = call.shape(0);
  const Shape kernel = call.ints_attr("kernel_shape");
  if (image.size() < 3 || kernel.size() + 2 != image.size())
    return call.error("input is " + to_string(call.in(0)->type) + " and kernel_shape " +
                      to_string(kernel) + ", must be [batch,channels,…] and a size for each axis " +
                      "behind them");
  std::vector<Window> windows = TRY(read_windows(call, kernel));
  for (const Window& window : windows)
    if (!window.cuts() && window.kernel > kMostTaps)
      return call.error("kernel_shape is " + to_string(kernel) + ", must be at most " +
                        std::to_string(kMostTaps) + " along an axis where windows overlap");
  return windows;
}

Expected<Node*> pooled(Call& call, const Pooling& pooling, const std::vector<Window>& windows) {
  Node* x = call.in(0);
  Node* beginning = TRY(call.full({call.dtype(0), {}}, pooling.beginning));
  Shape split = {call.shape(0)[0], call.shape(0)[1]}, out = split;
  std::vector<int64_t> blocks;
  for (size_t i = 0; i < windows.size(); ++i) {
    const Window& window = windows[i];
    x = TRY(seen_through(call, x, i + 2, window, beginning));
    out.push_back(window.count);
    split.push_back(window.count);
    if (window.cuts() && window.kernel > 1) {
      blocks.push_back(std::ssize(split));
      split.push_back(window.kernel);
      continue;
    }
    Node* sum = nullptr;
    for (int64_t tap = 0; tap < window.kernel; ++tap) {
      Node* seen = TRY(slice_axis(call, x, i + 2, tap_of(window, tap)));
      sum = sum ? TRY(call.add(pooling.pair, {sum, seen})) : seen;
    }
    x = sum;
  }
  if (blocks.empty()) return x;
  x = TRY(call.reshape(x, split));
  return call.add(pooling.many, {x}, with("axes", blocks));
}

// The number of elements in each window along an axis. Padding counts if `with_padding` is true.
Expected<std::vector<double>> counts_of(Call& call, const Window& window, bool with_padding) {
  if (!call.spend(window.count)) return call.error("has too many windows to be counted at import");
  const int64_t begin = with_padding ? 0 : window.before;
  const int64_t end = window.before + window.size + (with_padding ? window.after : 0);
  std::vector<double> counts;
  for (int64_t i = 0; i < window.count; ++i) {
    // Taps from the first one at or behind `begin` to the last one before `end`.
    const int64_t start = i * window.stride, step = window.dilation;
    const int64_t first = ceil_div(std::max<int64_t>(0, begin - start), step);
    const int64_t last = std::min(window.kernel - 1, (end - 1 - start) / step);
    const int64_t count = start >= end ? 0 : last - first + 1;
    if (count <= 0)
      return call.error("window " + std::to_string(i) + " along an axis lies in padding alone, " +
                        "must see a part of the image");
    counts.push_back(static_cast<double>(count));
  }
  return counts;
}

// The product of the counts along all axes, [places…]; one number where all are the same.
Expected<Node*> all_counts(Call& call, const std::vector<Window>& windows, bool with_padding,
                           const TensorType& type) {
  Node* product = nullptr;
  for (size_t i = 0; i < windows.size(); ++i) {
    const std::vector<double> counts = TRY(counts_of(call, windows[i], with_padding));
    const bool same = std::ranges::all_of(counts, [&](double x) { return x == counts[0]; });
    Shape line(windows.size(), 1);
    if (!same) line[i] = windows[i].count;
    Node* factor = call.constant(Array{
        {type.dtype, line},
        same ? std::vector<double>{counts[0]}
        : counts
    });
    product = product ? TRY(call.add_broadcast(Op::Mul, {product, factor})) : factor;
  }
  return call.broadcast(product, type.shape);
}

Status check_float(const Call& call) {
  if (is_float(call.dtype(0))) return {};
  return call.error("input is " + to_string(call.in(0)->type) + ", must be of floats");
}

Expected<std::vector<int64_t>> image_axes(const Call& call) {
  const Shape& shape = call.shape(0);
  if (shape.size() < 3 || elements({shape.begin() + 2, shape.end()}) == 0)
    return call.error("input is " + to_string(call.in(0)->type) +
                      ", must be [batch,channels,…] with elements along every axis");
  std::vector<int64_t> axes(shape.size() - 2);
  std::iota(axes.begin(), axes.end(), 2);
  return axes;
}

Shape with_axes_of_1(const Shape& shape) {
  Shape kept(shape.size(), 1);
  std::copy_n(shape.begin(), 2, kept.begin());
  return kept;
}

}  // namespace

Status average_pool(Call& call) {
  TRY(check_float(call));
  const std::vector<Window> windows = TRY(pool_windows(call));
  const bool with_padding = call.attr("count_include_pad", int64_t{0}) != 0;
  Node* sum = TRY(pooled(call, {Op::Add, Op::ReduceSum, 0}, windows));
  return call.result(Op::Div, {sum, TRY(all_counts(call, windows, with_padding, sum->type))});
}

Status max_pool(Call& call) {
  const std::vector<Window> windows = TRY(pool_windows(call));
  for (const Window& window : windows) TRY(counts_of(call, window, false));
  call.bind(0, TRY(pooled(call, {Op::Max, Op::ReduceMax, lowest_of(call.dtype(0))}, windows)),
            call.value(0).onnx_type);
  return {};
}

Status global_average_pool(Call& call) {
  TRY(check_float(call));
  const std::vector<int64_t> axes = TRY(image_axes(call));
  Node* sum = TRY(call.add(Op::ReduceSum, {call.in(0)}, with("axes", axes)));
  sum = TRY(call.reshape(sum, with_axes_of_1(call.shape(0))));
  const Shape& shape = call.shape(0);
  const auto count = static_cast<double>(elements({shape.begin() + 2, shape.end()}));
  return call.result(Op::Div, {sum, TRY(call.like(sum, count))});
}

Status global_max_pool(Call& call) {
  const std::vector<int64_t> axes = TRY(image_axes(call));
  Node* top = TRY(call.add(Op::ReduceMax, {call.in(0)}, with("axes", axes)));
  return call.result(Op::Reshape, {top}, with("shape", with_axes_of_1(call.shape(0))));
}

}  // namespace tessera::handlers
