// SPDX-License-Identifier: Apache-2.0
// ONNX's Resize and Upsample of values that are known at import: tables of positions, which an
// exporter fits to the size of the picture. They are computed here, one axis after the other.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "compiler/onnx/import/interpolate.h"
#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

bool is_given(const Call& call, size_t i) { return call.in(i) && elements(call.shape(i)) > 0; }

Expected<std::vector<double>> given_floats(Call& call, size_t i, const char* what, size_t count) {
  Array array = TRY(call.constant(i, what));
  if (array.data.size() == count) return std::move(array.data);
  return call.error(std::string(what) + " are " + to_string(call.in(i)->type) + ", must be " +
                    std::to_string(count) + " numbers");
}

// Before opset 11 a node has scales and nothing else.
Expected<Interpolation> read_interpolation(Call& call) {
  Interpolation how;
  const std::string mode = call.attr("mode", "nearest");
  if (mode != "nearest" && mode != "linear" && mode != "cubic")
    return call.error("mode is '" + mode + "', must be 'nearest', 'linear' or 'cubic'");
  how.mode = mode == "nearest"  ? Interpolation::Mode::Nearest
             : mode == "linear" ? Interpolation::Mode::Linear
                                : Interpolation::Mode::Cubic;
  const bool old = call.op_type() == "Upsample" || call.opset < 11;
  how.coordinates = old ? "asymmetric" : call.attr("coordinate_transformation_mode", "half_pixel");
  how.rounding = old ? "simple" : call.attr("nearest_mode", "round_prefer_floor");
  how.cubic_a = call.attr("cubic_coeff_a", -0.75);
  how.antialias = call.attr("antialias", int64_t{0}) != 0;
  how.exclude_outside = call.attr("exclude_outside", int64_t{0}) != 0;
  if (!how.knows_coordinates())
    return call.error("coordinate_transformation_mode is '" + how.coordinates +
                      "', must be one that ONNX names");
  if (!how.knows_rounding() || (!old && how.rounding == "simple"))
    return call.error("nearest_mode is '" + how.rounding +
                      "', must be 'round_prefer_floor', 'round_prefer_ceil', 'floor' or 'ceil'");
  if (how.antialias && how.mode == Interpolation::Mode::Nearest)
    return call.error("antialias is on, must be off where mode is 'nearest'");
  return how;
}

Expected<std::vector<int64_t>> resized_axes(Call& call) {
  std::vector<int64_t> axes(static_cast<size_t>(call.rank(0)));
  std::iota(axes.begin(), axes.end(), 0);
  if (!call.has_attr("axes")) return axes;
  axes = call.ints_attr("axes");
  std::vector<bool> seen(static_cast<size_t>(call.rank(0)), false);
  for (int64_t& axis : axes) {
    axis = TRY(call.axis(axis, call.rank(0)));
    if (seen[static_cast<size_t>(axis)]) return call.error("axes name one axis twice, must differ");
    seen[static_cast<size_t>(axis)] = true;
  }
  return axes;
}

struct Operands {
  size_t roi, scales, sizes;
};
Operands operands_of(const Call& call) {
  constexpr size_t kNone = 9;
  if (call.op_type() == "Upsample" || call.opset < 11) return {kNone, 1, kNone};
  return {1, 2, 3};
}

Status set_scales(Call& call, const std::vector<double>& scales, const std::vector<int64_t>& axes,
                  std::vector<ResizedAxis>& resized) {
  for (size_t i = 0; i < axes.size(); ++i) {
    ResizedAxis& axis = resized[static_cast<size_t>(axes[i])];
    axis.scale = scales[i];
    // As floats: 10 · 0.7 is 7 there, and less as doubles of the same floats.
    const float length = static_cast<float>(axis.in) * static_cast<float>(axis.scale);
    if (!(axis.scale > 0) || !(length < static_cast<float>(kMaxElements)))
      return call.error("a scale is " + std::to_string(axis.scale) + ", must be above 0 and give " +
                        "at most 2^40 elements");
    axis.out = static_cast<int64_t>(std::floor(length));
  }
  return {};
}

Status set_sizes(Call& call, const std::vector<int64_t>& sizes, const std::vector<int64_t>& axes,
                 std::vector<ResizedAxis>& resized) {
  const std::string policy = call.attr("keep_aspect_ratio_policy", "stretch");
  if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller")
    return call.error("keep_aspect_ratio_policy is '" + policy +
                      "', must be 'stretch', 'not_larger' or 'not_smaller'");
  if (sizes.size() != axes.size() || !is_valid_shape(sizes) || elements(sizes) == 0)
    return call.error("sizes are " + to_string(sizes) + ", must be " + std::to_string(axes.size()) +
                      " sizes above 0, of at most 2^40 elements");
  std::vector<double> scales;
  for (size_t i = 0; i < axes.size(); ++i) {
    ResizedAxis& axis = resized[static_cast<size_t>(axes[i])];
    axis.out = sizes[i];
    axis.scale = static_cast<double>(sizes[i]) / static_cast<double>(axis.in);
    scales.push_back(axis.scale);
  }
  if (policy == "stretch" || scales.empty()) return {};
  const double scale = policy == "not_larger" ? std::ranges::min(scales) : std::ranges::max(scales);
  for (const int64_t i : axes) {
    ResizedAxis& axis = resized[static_cast<size_t>(i)];
    axis.scale = scale;
    axis.out = static_cast<int64_t>(std::floor(scale * static_cast<double>(axis.in) + 0.5));
  }
  return {};
}

Expected<std::vector<ResizedAxis>> read_axes(Call& call, const Interpolation& how) {
  const Operands at = operands_of(call);
  const std::vector<int64_t> axes = TRY(resized_axes(call));
  std::vector<ResizedAxis> resized;
  for (const int64_t size : call.shape(0)) resized.push_back({size, size, 1, 0, 1});
  if (elements(call.shape(0)) == 0)
    return call.error("input is " + to_string(call.in(0)->type) + ", must have elements");
  if (is_given(call, at.sizes)) {
    TRY(set_sizes(call, TRY(call.constant_ints(at.sizes, "sizes")), axes, resized));
  } else if (is_given(call, at.scales)) {
    TRY(set_scales(call, TRY(given_floats(call, at.scales, "scales", axes.size())), axes, resized));
  } else if (call.has_attr("scales")) {
    const auto& floats = call.find_attr("scales")->floats();
    if (static_cast<size_t>(floats.size()) != axes.size())
      return call.error("scales are " + std::to_string(floats.size()) + ", must be " +
                        std::to_string(axes.size()) + " numbers");
    TRY(set_scales(call, {floats.begin(), floats.end()}, axes, resized));
  } else {
    return call.error("has no scales and no sizes, must have one of them");
  }
  if (how.coordinates != "tf_crop_and_resize") return resized;
  if (!is_given(call, at.roi)) return call.error("has no roi, must have one to crop by");
  const auto roi = TRY(given_floats(call, at.roi, "roi", 2 * axes.size()));
  for (size_t i = 0; i < axes.size(); ++i) {
    resized[static_cast<size_t>(axes[i])].roi_start = roi[i];
    resized[static_cast<size_t>(axes[i])].roi_end = roi[axes.size() + i];
    if (!std::isfinite(roi[i]) || !std::isfinite(roi[axes.size() + i]))
      return call.error("roi must be finite");
  }
  return resized;
}

bool stays(const ResizedAxis& axis) {
  return axis.in == axis.out && std::abs(axis.scale - 1) < 1e-6 && axis.roi_start == 0 &&
         axis.roi_end == 1;
}

// One axis of `x` resized.
Status resize_axis(Call& call, Array& x, size_t d, const ResizedAxis& axis,
                   const Interpolation& how) {
  Shape shape = x.type.shape;
  shape[d] = axis.out;
  const double cost = most_weights(how, axis) *
                      static_cast<double>(is_valid_shape(shape) ? elements(shape) : kMaxElements);
  if (cost > static_cast<double>(kImportAllowance) || !call.spend(static_cast<int64_t>(cost)))
    return call.error("resizes to " + to_string(shape) + ", which takes more than import may " +
                      "compute, must be smaller");
  const int64_t inner = row_major_strides(shape)[d];
  const int64_t outer = elements(shape) / std::max<int64_t>(1, inner * axis.out);
  Array out{
      {x.type.dtype, shape},
      std::vector<double>(static_cast<size_t>(elements(shape)), 0)
  };
  for (int64_t at = 0; at < axis.out; ++at) {
    const Weights weights = weights_of(how, axis, at);
    for (int64_t block = 0; block < outer; ++block) {
      double* to = out.data.data() + (block * axis.out + at) * inner;
      if (weights.empty()) std::fill_n(to, inner, call.attr("extrapolation_value", 0.0));
      for (const auto& [element, weight] : weights) {
        const double* from = x.data.data() + (block * axis.in + element) * inner;
        for (int64_t i = 0; i < inner; ++i) to[i] += weight * from[i];
      }
    }
  }
  x = std::move(out);
  return {};
}

}  // namespace

Status resize(Call& call) {
  const Interpolation how = TRY(read_interpolation(call));
  const std::vector<ResizedAxis> axes = TRY(read_axes(call, how));
  if (std::ranges::all_of(axes, stays)) {
    call.bind(0, call.in(0), call.value(0).onnx_type);
    return {};
  }
  if (how.mode != Interpolation::Mode::Nearest && !is_float(call.dtype(0)))
    return call.error("input is " + to_string(call.in(0)->type) + ", must be of floats");
  Node* known = TRY(call.known(call.in(0)));
  if (!known && !call.is_known(call.in(0))) TRY(call.constant(0, "what it resizes"));
  if (!known)
    return call.error("resizes what is computed from more numbers than import may compute, must " +
                      std::string("resize fewer"));
  TRY(call.read_elements(elements(known->type.shape)));
  Array x = to_array(known->value);
  for (size_t d = 0; d < axes.size(); ++d)
    if (!stays(axes[d])) TRY(resize_axis(call, x, d, axes[d], how));
  round_to_dtype(x);
  call.result_constant({to_tensor(x), call.value(0).onnx_type, std::nullopt});
  return {};
}

}  // namespace tessera::handlers
