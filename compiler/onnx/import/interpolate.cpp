// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/interpolate.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tessera {
namespace {

using Mode = Interpolation::Mode;

constexpr std::array kCoordinates = {
    "half_pixel",    "half_pixel_symmetric", "pytorch_half_pixel", "tf_half_pixel_for_nn",
    "align_corners", "asymmetric",           "tf_crop_and_resize"};
constexpr std::array kRoundings = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil",
                                   "simple"};

// Where a new element stands among the old ones. The length is the scaled one, before it is cut to
// an integer: ONNX's node tests have it so.
double place_of(const std::string& coordinates, const ResizedAxis& axis, int64_t at) {
  const auto x = static_cast<double>(at), in = static_cast<double>(axis.in);
  const double length = axis.scale * in;
  if (coordinates == "asymmetric") return x / axis.scale;
  if (coordinates == "align_corners") return length == 1 ? 0 : x * (in - 1) / (length - 1);
  if (coordinates == "tf_half_pixel_for_nn") return (x + 0.5) / axis.scale;
  if (coordinates == "tf_crop_and_resize") {
    const double size = (axis.roi_end - axis.roi_start) * (in - 1);
    return axis.roi_start * (in - 1) + (length == 1 ? size / 2 : x * size / (length - 1));
  }
  if (coordinates == "pytorch_half_pixel" && axis.out == 1) return 0;
  double shift = 0;
  if (coordinates == "half_pixel_symmetric")
    shift = in / 2 * (1 - static_cast<double>(axis.out) / length);
  return shift + (x + 0.5) / axis.scale - 0.5;
}

double rounded(const std::string& rounding, double place, double scale) {
  if (rounding == "floor") return std::floor(place);
  if (rounding == "ceil") return std::ceil(place);
  if (rounding == "simple") return scale < 1 ? std::ceil(place) : std::floor(place);
  const double below = std::floor(place), part = place - below;
  const bool up = rounding == "round_prefer_ceil" ? part >= 0.5 : part > 0.5;
  return up ? below + 1 : below;
}

// The weight of an element at this distance.
double weight_at(const Interpolation& how, double distance) {
  const double x = std::abs(distance), a = how.cubic_a;
  if (how.mode == Mode::Linear) return std::max(0.0, 1 - x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

// With antialias, an axis that shrinks takes in as many elements as fall on one.
double narrowing(const Interpolation& how, const ResizedAxis& axis) {
  return how.antialias ? std::min(axis.scale, 1.0) : 1.0;
}

double radius(const Interpolation& how) { return how.mode == Mode::Linear ? 1 : 2; }

}  // namespace

bool Interpolation::knows_coordinates() const {
  return std::ranges::count(kCoordinates, coordinates) > 0;
}

bool Interpolation::knows_rounding() const { return std::ranges::count(kRoundings, rounding) > 0; }

double most_weights(const Interpolation& how, const ResizedAxis& axis) {
  return how.mode == Mode::Nearest ? 1 : 2 * radius(how) / narrowing(how, axis) + 1;
}

Weights weights_of(const Interpolation& how, const ResizedAxis& axis, int64_t at) {
  const double place = place_of(how.coordinates, axis, at), last = static_cast<double>(axis.in - 1);
  if (how.coordinates == "tf_crop_and_resize" && (place < 0 || place > last)) return {};
  const auto within = [&](double element) {
    return static_cast<int64_t>(std::clamp(element, 0.0, last));
  };
  if (how.mode == Mode::Nearest)
    return {
        {within(rounded(how.rounding, place, axis.scale)), 1}
    };
  const double narrow = narrowing(how, axis), reach = radius(how) / narrow;
  Weights weights;
  double sum = 0;
  for (double element = std::floor(place - reach) + 1; element < place + reach; ++element) {
    const bool outside = element < 0 || element > last;
    const double weight =
        how.exclude_outside && outside ? 0 : weight_at(how, (element - place) * narrow);
    sum += weight;
    weights.emplace_back(within(element), weight);
  }
  const bool divides = how.exclude_outside || narrow < 1;
  if (divides && sum != 0)
    for (auto& [element, weight] : weights) weight /= sum;
  return weights;
}

}  // namespace tessera
