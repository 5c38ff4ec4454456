// SPDX-License-Identifier: Apache-2.0
#include "passes/tensor_range.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "passes/match.h"

namespace tessera {
namespace {

// Multiples of everything.
constexpr double kStepOfZero = 0x1p30;

struct Seen {
  double lo = ValueRange::kInfinite, hi = -ValueRange::kInfinite;
  bool whole = true;
  void add(double value) {
    if (!std::isfinite(value)) return;
    lo = std::min(lo, value);
    hi = std::max(hi, value);
    whole = whole && std::trunc(value) == value;
  }
};

// Weights are most of a model, so they are not read one switch at a time.
Seen look_at(const Tensor& tensor) {
  Seen seen;
  if (tensor.is_uniform()) {
    seen.add(tensor.first());
    return seen;
  }
  const int64_t count = elements(tensor.type().shape);
  if (tensor.type().dtype != DType::F32) {
    for (int64_t i = 0; i < count; ++i) seen.add(element(tensor, i));
    return seen;
  }
  const std::byte* data = tensor.bytes().data();
  for (int64_t i = 0; i < count; ++i) {
    float value;
    std::memcpy(&value, data + i * 4, 4);
    seen.add(value);
  }
  return seen;
}

}  // namespace

ValueRange range_of(const Tensor& tensor) {
  if (!tensor.has_data()) return {.activation = true};
  const Seen seen = look_at(tensor);
  if (seen.lo > seen.hi) return {.lo = 0, .hi = 0};
  ValueRange range{.lo = seen.lo, .hi = seen.hi, .given = seen.whole};
  if (!seen.whole) return range;
  range.step = seen.lo == seen.hi ? std::abs(seen.lo) : 1;
  if (range.step == 0) range.step = kStepOfZero;
  return range;
}

}  // namespace tessera
