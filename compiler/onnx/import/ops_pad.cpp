// SPDX-License-Identifier: Apache-2.0
// ONNX's Pad. A number is a block beside the value; every other mode repeats elements of the value
// itself, which are slices of it, forwards, backwards or stretched.
#include <algorithm>
#include <numeric>

#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/import/windows.h"

namespace tessera::handlers {
namespace {

constexpr size_t kMostParts = 256;  // of an axis

struct Padding {
  std::vector<int64_t> before, after;
};

// Operand 1 from opset 11 on, an attribute before. Operand 3 names the axes that have padding.
Expected<Padding> read_padding(Call& call) {
  const auto rank = static_cast<size_t>(call.rank(0));
  std::vector<int64_t> pads = call.ints_attr("pads");
  if (call.in(1)) pads = TRY(call.constant_ints(1, "pads"));
  std::vector<int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  if (call.in(3)) axes = TRY(call.constant_ints(3, "axes"));
  if (pads.size() != 2 * axes.size())
    return call.error("pads are " + to_string(pads) + ", must be two for each of the " +
                      std::to_string(axes.size()) + " axes");
  Padding padding{std::vector<int64_t>(rank, 0), std::vector<int64_t>(rank, 0)};
  std::vector<bool> seen(rank, false);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(TRY(call.axis(axes[i], call.rank(0))));
    if (seen[axis]) return call.error("axes name one axis twice, must differ");
    seen[axis] = true;
    padding.before[axis] = pads[i];
    padding.after[axis] = pads[axes.size() + i];
  }
  return padding;
}

// Negative padding takes elements away, and does so before the other side is padded.
Expected<Node*> cropped(Call& call, Node* x, size_t axis, int64_t before, int64_t after) {
  const int64_t size = x->type.shape[axis];
  const int64_t from = std::max<int64_t>(0, -before), behind = std::max<int64_t>(0, -after);
  if (from > size || behind > size - from)
    return call.error("pads are negative along axis " + std::to_string(axis) + " by more than " +
                      "its " + std::to_string(size) + " elements, must leave what it has");
  return slice_axis(call, x, axis, {from == size ? 0 : from, 1, size - from - behind});
}

// The elements of an axis, in order, as the fewest runs of even steps. A step of 0 repeats one
// element.
using PadParts = std::vector<Steps>;

PadParts parts_of_edge(int64_t size, int64_t begin, int64_t end) {
  PadParts cut;
  if (begin < 0) cut.push_back({0, 0, -begin});
  cut.push_back({0, 1, size});
  if (end > size) cut.push_back({size - 1, 0, end - size});
  return cut;
}

PadParts parts_of_wrap(int64_t size, int64_t begin, int64_t end) {
  PadParts cut;
  for (int64_t at = begin; at < end && cut.size() <= kMostParts; at += cut.back().count) {
    const int64_t start = (at % size + size) % size;
    cut.push_back({start, 1, std::min(size - start, end - at)});
  }
  return cut;
}

// There and back: the element at either end stands once.
PadParts parts_of_reflect(int64_t size, int64_t begin, int64_t end) {
  if (size == 1)
    return {
        {0, 0, end - begin}
    };
  const int64_t period = 2 * (size - 1);
  PadParts cut;
  for (int64_t at = begin; at < end && cut.size() <= kMostParts; at += cut.back().count) {
    const int64_t place = (at % period + period) % period;
    if (place < size)
      cut.push_back({place, 1, std::min(size - place, end - at)});
    else
      cut.push_back({period - place, -1, std::min(period - place, end - at)});
  }
  return cut;
}

Expected<Node*> part(Call& call, Node* x, size_t axis, const Steps& steps) {
  if (steps.step != 0) return slice_axis(call, x, axis, steps);
  Shape shape = x->type.shape;
  shape[axis] = steps.count;
  if (!is_valid_shape(shape)) return call.error("pads to a shape that is too large");
  return call.broadcast(TRY(slice_axis(call, x, axis, {steps.start, 1, 1})), shape);
}

Expected<Node*> repeated(Call& call, Node* x, size_t axis, int64_t before, int64_t after,
                         PadParts (*parts_of)(int64_t, int64_t, int64_t)) {
  const int64_t size = x->type.shape[axis];
  constexpr int64_t kMost = kMaxElements;
  if (size == 0 || before > kMost || after > kMost)
    return call.error("pads " + std::to_string(size) + " elements along axis " +
                      std::to_string(axis) + " by " + std::to_string(before) + " and " +
                      std::to_string(after) + ", must repeat elements that are there");
  const PadParts cut = parts_of(size, -before, size + after);
  if (cut.size() > kMostParts)
    return call.error("pads " + std::to_string(size) + " elements along axis " +
                      std::to_string(axis) + " by " + std::to_string(before) + " and " +
                      std::to_string(after) + ", must pad by less than " +
                      std::to_string(kMostParts / 2) + " times as many");
  std::vector<Node*> parts;
  for (const Steps& steps : cut) parts.push_back(TRY(part(call, x, axis, steps)));
  if (parts.size() == 1) return parts[0];
  return call.add(Op::Concat, parts, with("axis", static_cast<int64_t>(axis)));
}

Expected<Node*> padding_number(Call& call) {
  if (!call.in(2)) return call.full({call.dtype(0), {}}, call.attr("value", 0.0));
  if (elements(call.shape(2)) != 1) return call.error("the padding must be one number");
  return call.reshape(call.in(2), {});
}

}  // namespace

Status pad(Call& call) {
  const std::string mode = call.attr("mode", "constant");
  const bool known = mode == "constant" || mode == "edge" || mode == "reflect" || mode == "wrap";
  if (!known)
    return call.error("mode is '" + mode + "', must be 'constant', 'edge', 'reflect' or 'wrap'");
  const Padding padding = TRY(read_padding(call));
  Node* number = mode == "constant" ? TRY(padding_number(call)) : nullptr;
  Node* x = call.in(0);
  for (size_t axis = 0; axis < padding.before.size(); ++axis) {
    const int64_t before = padding.before[axis], after = padding.after[axis];
    x = TRY(cropped(call, x, axis, before, after));
    if (before <= 0 && after <= 0) continue;
    const int64_t more_before = std::max<int64_t>(0, before);
    const int64_t more_after = std::max<int64_t>(0, after);
    if (number)
      x = TRY(pad_axis(call, x, axis, more_before, more_after, number));
    else
      x = TRY(repeated(call, x, axis, more_before, more_after,
                       mode == "edge"   ? parts_of_edge
                       : mode == "wrap" ? parts_of_wrap
                                        : parts_of_reflect));
  }
  call.bind(0, x, call.value(0).onnx_type);
  return {};
}

}  // namespace tessera::handlers
