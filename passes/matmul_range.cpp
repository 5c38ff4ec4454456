// SPDX-License-Identifier: Apache-2.0
#include "passes/matmul_range.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "passes/match.h"
#include "support/half.h"
#include "support/interval.h"

namespace tessera {
namespace {

// The only number besides 0, or nothing. Most weights have a third within their first few.
std::optional<double> only_number(const Tensor& tensor, int64_t count) {
  double number = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double value = element(tensor, i);
    if (value == 0 || value == number) continue;
    if (number != 0 || !std::isfinite(value)) return std::nullopt;
    number = value;
  }
  return number == 0 ? std::nullopt : std::optional(number);
}

// Sums of up to `most` of these, each times the number.
ValueRange sum_by(const Addends& addends, ValueRange of) {
  const auto most = static_cast<double>(addends.most);
  const double size = std::abs(addends.number);
  const Interval some{std::min(of.lo, 0.0), std::max(of.hi, 0.0)};
  const Interval all = some * Interval{most * addends.number, most * addends.number};
  of.lo = all.low;
  of.hi = all.high;
  of.step = 0;
  of.given = false;
  of.added *= std::max(1.0, most);
  const bool moves = addends.most == 1 && size >= kLeastHalf && size <= kFewActivations;
  if (!moves) of.added *= size;
  return of;
}

}  // namespace

std::optional<Addends> addends_of(const Node& matmul, size_t operand) {
  const Node* weights = matmul.in[operand];
  const Shape& shape = weights->type.shape;
  const int64_t inner = matmul.in[0]->type.shape.back();
  if (const std::optional<double> number = splat(weights)) return Addends{*number, inner};
  const int64_t count = elements(shape);
  if (!weights->is(Op::Constant) || !weights->value.has_data() || count == 0) return std::nullopt;
  const std::optional<double> number = only_number(weights->value, count);
  if (!number) return std::nullopt;
  const int64_t stride = operand == 0 ? 1 : shape.back();  // along the sum
  const int64_t lines = operand == 0 ? count / inner : shape.back();
  Addends addends{*number, 0};
  std::vector<int64_t> added(static_cast<size_t>(lines));
  for (int64_t i = 0; i < count; ++i) {
    if (operand == 1 && i % (inner * stride) == 0) std::ranges::fill(added, 0);
    int64_t& of_line = added[static_cast<size_t>(operand == 0 ? i / inner : i % stride)];
    if (element(weights->value, i) != 0) addends.most = std::max(addends.most, ++of_line);
  }
  return addends;
}

ValueRange range_of_matmul(const Node& node, const ValueRange& a, const ValueRange& b) {
  const auto inner = static_cast<double>(node.in[0]->type.shape.back());
  ValueRange range{.activation = true};
  for (const ValueRange* of : {&a, &b}) {
    if (!of->activation || fits_half(*of)) continue;
    range.added = std::max(range.added, of->added);
    range.power = std::max(range.power, of->power);
  }
  for (const size_t i : {0, 1}) {
    const ValueRange &weights = i == 0 ? a : b, &other = i == 0 ? b : a;
    const std::optional<Addends> addends = addends_of(node, i);
    if (addends && other.activation) return sum_by(*addends, other);
    if (!node.in[i]->is(Op::Constant) || weights.step < 1 || exact_in_half(weights)) continue;
    const Interval all = Interval{a.lo, a.hi} * Interval{b.lo, b.hi} * Interval{0, inner};
    return {.lo = all.low, .hi = all.high, .step = a.step * b.step};
  }
  return range;
}

}  // namespace tessera
