// SPDX-License-Identifier: Apache-2.0
#include "passes/cell_range.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "passes/match.h"
#include "passes/op_rules.h"
#include "support/half.h"
#include "support/interval.h"

namespace tessera {
namespace {

using Kind = CellRange::Kind;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Constants of more elements are weights: finite, and not masks.
constexpr int64_t kMaskElements = int64_t{1} << 18;
// Every float holds a sum or product of numbers within this bound.
constexpr double kMost = 1e30;

Interval ends(const CellRange& range) { return {range.low, range.high}; }
bool is_point(const CellRange& range) { return range.low == range.high; }

CellRange of(const Interval& range, Kind kind) {
  const auto [low, high] = range;
  if (std::isnan(low) || std::isnan(high)) return {};
  const bool is_infinite = low == high && std::isinf(low);
  const bool is_huge = std::isfinite(low) && std::isfinite(high) && range.largest() > kMost;
  if (is_infinite || is_huge) kind = std::min(kind, Kind::Number);
  return {low, high, kind};
}

// The op itself, at one number for each operand.
std::optional<CellRange> at_point(const Node& node, std::span<const CellRange> in) {
  std::vector<Array> numbers;
  for (size_t i = 0; i < in.size(); ++i) {
    if (!is_point(in[i])) return std::nullopt;
    Array& number = numbers.emplace_back();
    number.type.dtype = node.in[i]->type.dtype;
    number.data = {in[i].low};
  }
  Node probe = node;
  probe.type.shape = {};
  Expected<Array> result = eval(probe, numbers);
  if (!result) return std::nullopt;
  result->type = probe.type;
  round_to_dtype(*result);
  return of({result->data[0], result->data[0]}, Kind::Finite);
}

// Whether every number of the range is finite in this type, though large ones are among them.
bool is_bounded(const CellRange& range, DType dtype) {
  const double most = dtype == DType::F16 ? kMaxHalf : double{std::numeric_limits<float>::max()};
  return range.kind != Kind::Anything && ends(range).largest() <= most;
}

// Finite operands have a finite product: no float of a model is near its dtype's end.
CellRange product(const CellRange& a, const CellRange& b, DType dtype) {
  const bool finite = a.kind == Kind::Finite && b.kind == Kind::Finite;
  if (!finite && !(is_bounded(a, dtype) && is_bounded(b, dtype))) return {};
  return of(ends(a) * ends(b), Kind::Finite);
}

CellRange quotient(const CellRange& a, const CellRange& b, DType dtype) {
  if (!is_away_from_zero(ends(b)) || b.kind == Kind::Anything) return {};
  return product(a, {1 / b.high, 1 / b.low, Kind::Finite}, dtype);
}

// Beside a mask of 1e30, no float that a model computes with is large.
Interval beside(const CellRange& range, const CellRange& other, DType dtype) {
  constexpr double kLarge = 1e25;
  const bool is_mask = other.kind == Kind::Number && is_bounded(other, dtype);
  if (!is_mask || range.kind != Kind::Finite) return ends(range);
  return {std::max(range.low, -kLarge), std::min(range.high, kLarge)};
}

// Infinities do not cancel in a sum that cannot be infinite in one of the directions.
bool is_one_sided(double low, double high) { return std::isfinite(low) || std::isfinite(high); }

// By a whole number.
CellRange power(const CellRange& a, const CellRange& b) {
  if (!is_point(b) || b.low < 1 || b.low > 8 || b.low != std::floor(b.low)) return {};
  if (a.kind != Kind::Finite) return {};
  if (std::fmod(b.low, 2) == 0) return {0, kInfinity, Kind::Finite};
  return {.kind = Kind::Finite};
}

}  // namespace

CellRange range_of_constant(const Tensor& tensor) {
  if (!tensor.has_data()) return {};
  const int64_t count = elements(tensor.type().shape);
  if (count > kMaskElements) return {.kind = Kind::Finite};
  if (count == 0) return {};
  double low = kInfinity, high = -kInfinity;
  for (int64_t i = 0; i < count; ++i) {
    const double value = element(tensor, i);
    if (std::isnan(value)) return {};
    low = std::min(low, value);
    high = std::max(high, value);
  }
  return of({low, high}, std::isinf(low) || std::isinf(high) ? Kind::Number : Kind::Finite);
}

CellRange range_of_elements(const Node& node, std::span<const CellRange> in) {
  if (const std::optional<CellRange> point = at_point(node, in)) return *point;
  Kind kind = Kind::Finite;
  for (const CellRange& range : in) kind = std::min(kind, range.kind);
  const CellRange &a = in[0], &b = in.size() > 1 ? in[1] : in[0];
  switch (rule_of_values(node.op)) {
    case ValueRule::Add:
    case ValueRule::Sub: {
      const Interval left = beside(a, b, node.type.dtype);
      const Interval right = beside(b, a, node.type.dtype);
      const Interval sum = node.is(Op::Add) ? left + right : left - right;
      const bool may_meet =
          a.kind == Kind::Number && b.kind == Kind::Number && !is_one_sided(sum.low, sum.high);
      return of(sum, may_meet ? Kind::Anything : kind);  // inf - inf
    }
    case ValueRule::Mul:
      if (node.in[0] == node.in[1] && kind == Kind::Finite) return {0, kInfinity, kind};
      return product(a, b, node.type.dtype);
    case ValueRule::Div: return quotient(a, b, node.type.dtype);
    case ValueRule::Max: return of(max(ends(a), ends(b)), kind);
    case ValueRule::Min: return of(min(ends(a), ends(b)), kind);
    case ValueRule::Select:
      if (is_point(a)) return a.low != 0 ? in[1] : in[2];
      return of(hull(ends(in[1]), ends(in[2])), std::min(in[1].kind, in[2].kind));
    case ValueRule::Pow: return power(a, b);
    case ValueRule::Exp:
      return kind == Kind::Anything ? CellRange{} : CellRange{0, kInfinity, Kind::Number};
    case ValueRule::Sqrt:
      return a.low >= 0 ? of(mapped(ends(a), [](double x) { return std::sqrt(x); }), kind)
                        : CellRange{};
    case ValueRule::Log:
      return a.low > 0 ? of(mapped(ends(a), [](double x) { return std::log(x); }), kind)
                       : CellRange{};
    case ValueRule::And:
      if (a.is_zero() || b.is_zero()) return {0, 0, Kind::Finite};
      return {0, 1, Kind::Finite};
    case ValueRule::Truth: return {0, 1, Kind::Finite};
    case ValueRule::Bytes: return of(interval_of(node.type.dtype), Kind::Finite);
    case ValueRule::Cast: {
      if (is_byte(node.type.dtype)) return of(interval_of(node.type.dtype), Kind::Finite);
      const DType from = node.in[0]->type.dtype, to = node.type.dtype;
      if (from == DType::Bool || to == DType::Bool) return {0, 1, Kind::Finite};
      if (from == DType::F16 && to == DType::F32) return a;
      return {.kind = kind};
    }
    case ValueRule::Curve: return {-1, 1, kind};
    case ValueRule::Share: return {0, 1, kind};
    case ValueRule::Wave: return {-1, 1, kind == Kind::Finite ? Kind::Finite : Kind::Anything};
    case ValueRule::Abs:
    case ValueRule::Floor:
    case ValueRule::Round:
    case ValueRule::Trained:
    case ValueRule::Gelu: return {.kind = kind};
    // Not element by element.
    case ValueRule::Input:
    case ValueRule::Constant:
    case ValueRule::Unknown:
    case ValueRule::Moved:
    case ValueRule::OrZero:
    case ValueRule::Concat:
    case ValueRule::MatMul:
    case ValueRule::Sum:
    case ValueRule::CumSum:
    case ValueRule::Norm:
    case ValueRule::Rotary:
    case ValueRule::Attention: break;
  }
  return {};
}

}  // namespace tessera
