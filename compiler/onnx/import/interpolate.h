// SPDX-License-Identifier: Apache-2.0
// Values between the elements of an axis, as ONNX's Resize defines them: known numbers alone.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tessera {

struct Interpolation {
  enum class Mode : uint8_t { Nearest, Linear, Cubic };
  Mode mode = Mode::Nearest;
  std::string coordinates = "half_pixel";       // coordinate_transformation_mode
  std::string rounding = "round_prefer_floor";  // nearest_mode; "simple": as before opset 11
  double cubic_a = -0.75;
  bool antialias = false;
  bool exclude_outside = false;

  // Both are attributes, which may hold any text.
  bool knows_coordinates() const;
  bool knows_rounding() const;
};

struct ResizedAxis {
  int64_t in = 0, out = 0;
  double scale = 1;
  double roi_start = 0, roi_end = 1;
};

// The elements that make one new element, each with its weight. Empty: it lies outside of the axis,
// and is the extrapolation value.
using Weights = std::vector<std::pair<int64_t, double>>;

// Elements that weights_of gives at most.
double most_weights(const Interpolation& how, const ResizedAxis& axis);
Weights weights_of(const Interpolation& how, const ResizedAxis& axis, int64_t at);

}  // namespace tessera
