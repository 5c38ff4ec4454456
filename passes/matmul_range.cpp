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

bool hands_out(const Node& node) {
  if (!node.is(Op::MatMul)) return false;
  for (const size_t i : {0, 1})
    if (const std::optional<Addends> addends = addends_of(node, i); addends && addends->most == 1)
      return true;
  return false;
}

namespace {

// The weights of one sum of a matmul after the other: `line` of them, `inner` in each.
struct Lines {
  const Tensor* weights = nullptr;
  int64_t lines = 0, inner = 0;
  bool by_column = false;

  double at(int64_t line, int64_t i) const {
    if (!by_column) return element(*weights, line * inner + i);
    const int64_t columns = weights->type().shape.back(), matrix = line / columns;
    return element(*weights, (matrix * inner + i) * columns + line % columns);
  }
};

std::optional<Lines> lines_of(const Node& matmul, size_t operand) {
  const Node* weights =
      behind_views(matmul.in[operand]) == matmul.in[operand] ? matmul.in[operand] : nullptr;
  if (!weights || !weights->is(Op::Constant) || !weights->value.has_data()) return std::nullopt;
  const int64_t inner = matmul.in[0]->type.shape.back(), count = elements(weights->type.shape);
  if (inner < 2 || count == 0) return std::nullopt;
  return Lines{&weights->value, count / inner, inner, operand == 1};
}

bool adds_up_to_0(const Lines& weights, int64_t line, bool& is_empty) {
  constexpr double kRounding = 1e-5;
  double sum = 0, size = 0;
  for (int64_t i = 0; i < weights.inner; ++i) {
    const double weight = weights.at(line, i);
    sum += weight;
    size += std::abs(weight);
  }
  is_empty = is_empty && size == 0;
  return std::abs(sum) <= kRounding * size;
}

}  // namespace

bool takes_differences(const Node& node) {
  if (!node.is(Op::MatMul)) return false;
  for (const size_t operand : {0, 1}) {
    const std::optional<Lines> weights = lines_of(node, operand);
    if (!weights) continue;
    bool all = true, is_empty = true;
    for (int64_t line = 0; all && line < weights->lines; ++line)
      all = adds_up_to_0(*weights, line, is_empty);
    if (all && !is_empty) return true;
  }
  return false;
}

bool most_weights_vanish(const Node& matmul, size_t operand) {
  constexpr int64_t kProbed = 512;
  const std::optional<Lines> weights = lines_of(matmul, operand);
  if (!weights) return false;
  const auto vanishes = [](double weight) { return std::abs(weight) < kLeastHalf; };
  // A few weights tell most matrices: where half of the sums are lost, so are half of all weights.
  const int64_t count = weights->lines * weights->inner,
                step = std::max<int64_t>(1, count / kProbed);
  int64_t probed = 0, small = 0;
  for (int64_t i = 0; i < count; i += step, ++probed)
    small += vanishes(element(*weights->weights, i));
  if (small * 3 < probed) return false;
  int64_t lost = 0, zero = 0;
  for (int64_t line = 0; line < weights->lines; ++line) {
    double most = 0;
    for (int64_t i = 0; i < weights->inner; ++i)
      most = std::max(most, std::abs(weights->at(line, i)));
    zero += most == 0;
    lost += most != 0 && vanishes(most);
  }
  return lost > 0 && lost * 2 >= weights->lines - zero;
}

namespace {

// Trained weights have either sign, so their sum grows with the length of the weights as a vector.
// This is the largest length of a line of weights; 1 if that is small.
double weighed(const Node& matmul, size_t operand, const ValueRange& weight) {
  const std::optional<Lines> weights = lines_of(matmul, operand);
  const double inner = weights ? static_cast<double>(weights->inner) : 0;
  if (!weights || std::sqrt(inner) * weight.largest() <= kFewActivations) return 1;
  double most = 0;
  for (int64_t line = 0; line < weights->lines; ++line) {
    double squares = 0;
    for (int64_t i = 0; i < weights->inner; ++i)
      squares += weights->at(line, i) * weights->at(line, i);
    most = std::max(most, squares);
  }
  return std::sqrt(most) > kFewActivations ? std::sqrt(most) : 1;
}

const Node* norm_behind(const Node* node, int64_t last) {
  for (int i = 0; i < kFarthest && node->is(Op::Reshape); ++i) node = node->in[0];
  const bool is_norm = node->is(Op::LayerNorm) || node->is(Op::RmsNorm);
  return is_norm && node->type.shape.back() == last && node->in[1]->is(Op::Constant) ? node
                                                                                     : nullptr;
}

// A row that a norm made is as long as √n, before gamma and beta: the largest that weights make of
// one. 0 where that is nowhere near the end of f16.
double most_of_normalized(const Node& matmul, const ValueRange& row, const ValueRange& weight) {
  const std::optional<Lines> weights = lines_of(matmul, 1);
  const auto inner = static_cast<double>(weights ? weights->inner : 0);
  if (!weights || inner * row.largest() * weight.largest() <= kMaxHalf) return 0;
  const Node* norm = norm_behind(matmul.in[0], weights->inner);
  if (!norm || !norm->in[1]->value.has_data()) return 0;
  const Tensor& gamma = norm->in[1]->value;
  const bool is_centered = norm->is(Op::LayerNorm) && norm->in[2]->is(Op::Constant);
  if (norm->is(Op::LayerNorm) && (!is_centered || !norm->in[2]->value.has_data())) return 0;
  double most = 0;
  for (int64_t line = 0; line < weights->lines; ++line) {
    double squares = 0, sum = 0, shift = 0;
    for (int64_t i = 0; i < weights->inner; ++i) {
      const double by = element(gamma, i) * weights->at(line, i);
      squares += by * by;
      sum += by;
      if (is_centered) shift += element(norm->in[2]->value, i) * weights->at(line, i);
    }
    if (is_centered) squares -= sum * sum / inner;
    most = std::max(most, std::sqrt(inner * std::max(0.0, squares)) + std::abs(shift));
  }
  return most;
}

}  // namespace

ValueRange range_of_matmul(const Node& node, const ValueRange& a, const ValueRange& b,
                           bool is_score) {
  const auto inner = static_cast<double>(node.in[0]->type.shape.back());
  ValueRange range{.activation = true};
  for (const ValueRange* of : {&a, &b}) {
    if (!of->activation || fits_half(*of)) continue;
    range.added = std::max(range.added, of->added);
    range.power = std::max(range.power, of->power);
  }
  const Interval all = Interval{a.lo, a.hi} * Interval{b.lo, b.hi} * Interval{0, inner};
  bool has_constant = false;
  for (const size_t i : {0, 1}) {
    const ValueRange &weights = i == 0 ? a : b, &other = i == 0 ? b : a;
    const std::optional<Addends> addends = addends_of(node, i);
    if (addends && other.activation) return sum_by(*addends, other);
    has_constant = has_constant || behind_views(node.in[i])->is(Op::Constant);
    if (!node.in[i]->is(Op::Constant) || weights.step < 1 || exact_in_half(weights)) continue;
    return {.lo = all.low, .hi = all.high, .step = a.step * b.step};
  }
  // A mask that is multiplied by ones stays one. It is beyond what whole inputs hold.
  const bool is_known = !a.activation && !b.activation && std::isfinite(all.low - all.high);
  if (is_known && std::max(a.largest(), b.largest()) > 0x1p32)
    return {.lo = all.low, .hi = all.high};
  if (const double most = most_of_normalized(node, a, b); most > kMaxHalf)
    return {.lo = -most, .hi = most};
  for (const size_t i : {0, 1})
    if ((i == 0 ? b : a).activation) range.added *= weighed(node, i, i == 0 ? a : b);
  if (has_constant || is_score) return range;
  range.power = std::max(a.power, b.power);  // a mean by computed weights, of squares
  if (!a.activation || !b.activation) return range;
  range.added = inner * a.added * b.added;
  range.power = std::min(a.power + b.power, kMostPower);
  return range;
}

}  // namespace tessera
