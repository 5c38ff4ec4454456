// SPDX-License-Identifier: Apache-2.0
// ONNX operations that move elements and compute none.
#include <algorithm>
#include <numeric>

#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/model_file.h"
#include "support/math.h"

namespace tessera::handlers {
namespace {

// A result that is the operand in another shape; in a settled graph even where it is the same.
Status result_reshape(Call& call, const Shape& shape, size_t i = 0) {
  if (call.shape(0) == shape && !call.settled()) {
    call.bind(i, call.in(0), call.value(0).onnx_type);
    return {};
  }
  return call.result(Op::Reshape, {call.in(0)}, with("shape", shape), i);
}

// A slice of a value, one range an axis.
struct SliceRanges {
  std::vector<int64_t> start, step, size;
  explicit SliceRanges(const Shape& shape)
      : start(shape.size(), 0), step(shape.size(), 1), size(shape) {}
  Call::Attrs attrs() const {
    return {
        {"start", start},
        {"step",  step },
        {"size",  size }
    };
  }
};

int64_t product(Shape::const_iterator begin, Shape::const_iterator end) {
  return std::accumulate(begin, end, int64_t{1}, std::multiplies<>());
}

}  // namespace

Status concat(Call& call) {
  if (!call.has_attr("axis")) return call.error("has no axis, must have one");
  const int64_t axis = TRY(call.axis(call.attr("axis", int64_t{0}), call.rank(0)));
  if (call.inputs() == 1 && !call.settled()) {
    call.bind(0, call.in(0), call.value(0).onnx_type);
    return {};
  }
  return call.result(Op::Concat, TRY(call.all_in()), with("axis", axis));
}

// Both ways: the operand may be larger than the wanted shape along an axis of 1 there.
Status expand(Call& call) {
  const Shape wanted = TRY(call.constant_ints(1, "shape"));
  if (!is_valid_shape(wanted))
    return call.error("shape is " + to_string(wanted) + ", must have no negative axis and be " +
                      "of at most 2^40 elements");
  Shape shape = call.shape(0);
  if (wanted.size() > shape.size()) shape.insert(shape.begin(), wanted.size() - shape.size(), 1);
  for (size_t i = 0; i < wanted.size(); ++i) {
    int64_t& dim = shape[shape.size() - wanted.size() + i];
    if (dim == 1) dim = wanted[i];
    if (wanted[i] != 1 && wanted[i] != dim)
      return call.error("input is " + to_string(call.in(0)->type) + " and shape is " +
                        to_string(wanted) + ", which must broadcast to one shape");
  }
  if (shape == call.shape(0) && !call.settled()) {
    call.bind(0, call.in(0), call.value(0).onnx_type);
    return {};
  }
  return call.result(Op::Broadcast, {call.in(0)}, with("shape", shape));
}

Status flatten(Call& call) {
  const Shape& shape = call.shape(0);
  int64_t axis = call.attr("axis", int64_t{1});
  if (axis != call.rank(0)) axis = TRY(call.axis(axis, call.rank(0)));
  return result_reshape(call, {product(shape.begin(), shape.begin() + axis),
                               product(shape.begin() + axis, shape.end())});
}

// 0 keeps the operand's size there (unless allowzero), and one -1 takes what is left.
Status reshape(Call& call) {
  Shape shape = TRY(call.constant_ints(1, "shape"));
  const std::string wanted = to_string(shape);
  const bool keeps = call.attr("allowzero", int64_t{0}) == 0;
  std::optional<size_t> open;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && keeps && i < call.shape(0).size()) shape[i] = call.shape(0)[i];
    if (shape[i] != -1) continue;
    if (open) return call.error("shape is " + wanted + ", must have at most one -1");
    open = i;
    shape[i] = 1;
  }
  const int64_t all = elements(call.shape(0));
  if (!is_valid_shape(shape))
    return call.error("shape is " + wanted +
                      ", must hold sizes within 2^40 elements, 0 and one -1");
  const int64_t rest = elements(shape);
  if (open && rest > 0 && all % rest == 0) shape[*open] = all / rest;
  if (elements(shape) != all)
    return call.error("input is " + to_string(call.in(0)->type) + " and shape is " + wanted +
                      ", which must hold as many elements");
  return result_reshape(call, shape);
}

namespace {

struct Range {
  int64_t start, end, step;
};

// The elements of an axis that a range takes: its ends are clamped as Python clamps them.
Expected<Range> settle(const Call& call, Range range, int64_t dim) {
  if (range.step == 0) return call.error("a step is 0, must not be");
  if (range.start < 0) range.start += dim;
  if (range.end < 0) range.end += dim;
  const bool forward = range.step > 0;
  range.start = std::clamp<int64_t>(range.start, 0, forward ? dim : std::max<int64_t>(dim - 1, 0));
  range.end = std::clamp<int64_t>(range.end, forward ? 0 : -1, forward ? dim : dim - 1);
  return range;
}

int64_t length(const Range& range) {
  const int64_t way = range.end - range.start;
  if (way == 0 || (way > 0) != (range.step > 0)) return 0;
  return (std::abs(way) - 1) / std::abs(range.step) + 1;
}

struct Bounds {
  std::vector<int64_t> starts, ends, axes, steps;
};

// Operands from opset 10 on, attributes before.
Expected<Bounds> read_bounds(const Call& call) {
  Bounds bounds{call.ints_attr("starts"), call.ints_attr("ends"), call.ints_attr("axes"), {}};
  if (call.in(1)) bounds.starts = TRY(call.constant_ints(1, "starts"));
  if (call.in(2)) bounds.ends = TRY(call.constant_ints(2, "ends"));
  if (call.in(3)) bounds.axes = TRY(call.constant_ints(3, "axes"));
  if (call.in(4)) bounds.steps = TRY(call.constant_ints(4, "steps"));
  const size_t count = bounds.starts.size();
  if (bounds.axes.empty() && !call.in(3)) {
    bounds.axes.resize(count);
    std::iota(bounds.axes.begin(), bounds.axes.end(), 0);
  }
  if (bounds.steps.empty()) bounds.steps.assign(count, 1);
  if (bounds.ends.size() != count || bounds.axes.size() != count || bounds.steps.size() != count)
    return call.error("has " + std::to_string(count) + " starts, " +
                      std::to_string(bounds.ends.size()) + " ends, " +
                      std::to_string(bounds.axes.size()) + " axes and " +
                      std::to_string(bounds.steps.size()) + " steps, must have as many of each");
  return bounds;
}

// A table of positions is cut to the length of the rows. ONNX gives all that there is where that is
// less, so the node that adds positions to longer rows is the one that is refused.
void doubt_short_table(Call& call, int64_t wanted, int64_t there) {
  constexpr int64_t kToItsEnd = int64_t{1} << 30;  // exporters' way to say so
  if (wanted <= there || wanted >= kToItsEnd || !call.is_known(call.in(0))) return;
  call.doubt("takes " + std::to_string(wanted) + " of the " + std::to_string(there) + " in '" +
             printable(call.in(0)->name) + "', where a model keeps positions: input_shape must " +
             "give rows of at most " + std::to_string(there) +
             " tokens, or the model be exported with a longer table");
}

}  // namespace

Status slice(Call& call) {
  const Bounds bounds = TRY(read_bounds(call));
  SliceRanges ranges(call.shape(0));
  std::vector<bool> seen(ranges.size.size(), false);
  for (size_t i = 0; i < bounds.starts.size(); ++i) {
    const auto axis = static_cast<size_t>(TRY(call.axis(bounds.axes[i], call.rank(0))));
    if (seen[axis]) return call.error("axes name one axis twice, must differ");
    seen[axis] = true;
    const Range range =
        TRY(settle(call, {bounds.starts[i], bounds.ends[i], bounds.steps[i]}, call.shape(0)[axis]));
    doubt_short_table(call, bounds.ends[i], call.shape(0)[axis]);
    ranges.size[axis] = length(range);
    ranges.step[axis] = range.step;
    ranges.start[axis] = ranges.size[axis] == 0 ? 0 : range.start;
  }
  if (ranges.size == call.shape(0) && ranges.attrs() == SliceRanges(call.shape(0)).attrs() &&
      !call.settled()) {
    call.bind(0, call.in(0), call.value(0).onnx_type);
    return {};
  }
  return call.result(Op::Slice, {call.in(0)}, ranges.attrs());
}

namespace {

// Given, or as even as can be with the smaller part last.
Expected<std::vector<int64_t>> split_sizes(Call& call, int64_t dim) {
  std::vector<int64_t> sizes = call.ints_attr("split");
  if (call.in(1)) sizes = TRY(call.constant_ints(1, "split"));
  const auto count = static_cast<int64_t>(call.outputs());
  if (sizes.empty() && !call.in(1) && !call.has_attr("split")) {
    if (dim % count != 0 && !call.has_attr("num_outputs"))
      return call.error("splits " + std::to_string(dim) + " into " + std::to_string(count) +
                        " equal parts, must divide");
    const int64_t part = ceil_div(dim, count);
    for (int64_t left = dim; static_cast<int64_t>(sizes.size()) < count; left -= sizes.back())
      sizes.push_back(std::min(part, left));
  }
  int64_t sum = 0;
  for (const int64_t size : sizes) {
    if (size < 0 || size > dim)
      return call.error("split is " + to_string(sizes) + ", must be sizes within the axis");
    sum += size;
  }
  if (static_cast<int64_t>(sizes.size()) != count || sum != dim)
    return call.error("split is " + to_string(sizes) + ", must be " + std::to_string(count) +
                      " sizes that add up to " + std::to_string(dim));
  return sizes;
}

}  // namespace

Status split(Call& call) {
  const auto axis =
      static_cast<size_t>(TRY(call.axis(call.attr("axis", int64_t{0}), call.rank(0))));
  const std::vector<int64_t> sizes = TRY(split_sizes(call, call.shape(0)[axis]));
  SliceRanges ranges(call.shape(0));
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int64_t next = ranges.start[axis] + sizes[i];
    ranges.size[axis] = sizes[i];
    if (sizes[i] == 0) ranges.start[axis] = 0;
    TRY(call.result(Op::Slice, {call.in(0)}, ranges.attrs(), i));
    ranges.start[axis] = next;
  }
  return {};
}

Status squeeze(Call& call) {
  const auto axes = TRY(call.axes(1, call.rank(0)));
  Shape shape;
  for (int64_t i = 0; i < call.rank(0); ++i) {
    const int64_t dim = call.shape(0)[static_cast<size_t>(i)];
    const bool named = axes ? std::binary_search(axes->begin(), axes->end(), i) : dim == 1;
    if (!named) shape.push_back(dim);
    if (named && dim != 1)
      return call.error("axis " + std::to_string(i) + " is " + std::to_string(dim) +
                        ", must be 1 to be squeezed");
  }
  return result_reshape(call, shape);
}

// Each repeated axis gets one before it, which is stretched, and the two become one.
Status tile(Call& call) {
  const std::vector<int64_t> repeats = TRY(call.constant_ints(1, "repeats"));
  if (static_cast<int64_t>(repeats.size()) != call.rank(0))
    return call.error("repeats are " + to_string(repeats) + ", must be one for each of the " +
                      std::to_string(call.rank(0)) + " axes");
  Node* tiled = call.in(0);
  for (size_t axis = 0; axis < repeats.size(); ++axis) {
    if (repeats[axis] == 1) continue;
    Shape shape = tiled->type.shape;
    Shape apart = shape;
    apart.insert(apart.begin() + static_cast<int64_t>(axis), 1);
    Shape stretched = apart;
    stretched[axis] = repeats[axis];
    if (!is_valid_shape(apart) || !is_valid_shape(stretched))
      return call.error("repeats are " + to_string(repeats) + ", must be 0 or more and the " +
                        "result smaller");
    shape[axis] *= repeats[axis];
    tiled =
        TRY(call.reshape(TRY(call.broadcast(TRY(call.reshape(tiled, apart)), stretched)), shape));
  }
  call.bind(0, tiled);
  return {};
}

Status transpose(Call& call) {
  std::vector<int64_t> perm = call.ints_attr("perm");
  if (!call.has_attr("perm")) {
    perm.resize(static_cast<size_t>(call.rank(0)));
    std::iota(perm.rbegin(), perm.rend(), 0);
  }
  return call.result(Op::Transpose, {call.in(0)}, with("perm", perm));
}

Status unsqueeze(Call& call) {
  if (!call.in(1) && !call.has_attr("axes")) return call.error("has no axes, must have some");
  const size_t added =
      call.in(1) ? TRY(call.constant_ints(1, "axes")).size() : call.ints_attr("axes").size();
  const int64_t rank = call.rank(0) + static_cast<int64_t>(added);
  const auto axes = TRY(call.axes(1, rank));
  Shape shape;
  size_t next = 0;
  for (int64_t i = 0; i < rank; ++i) {
    const bool named = std::binary_search(axes->begin(), axes->end(), i);
    shape.push_back(named ? 1 : call.shape(0)[next++]);
  }
  return result_reshape(call, shape);
}

}  // namespace tessera::handlers
