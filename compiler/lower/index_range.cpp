// SPDX-License-Identifier: Apache-2.0
#include "compiler/lower/index_range.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_set>
#include <vector>

#include "compiler/lower/lower.h"

namespace tessera {
namespace {

using Known = std::optional<Interval>;

// Larger floats are not counted one by one; the machine does not have larger integers.
constexpr double kLargestFloat = 1 << 24, kLargestInteger = 2147483647;

Known of_constant(const Node* node) {
  const Tensor& value = node->value;
  const TensorType& type = node->type;
  if (!value.has_data() || elements(type.shape) == 0) return std::nullopt;
  if (value.is_uniform()) return Interval{value.first(), value.first()};
  if (is_float(type.dtype)) return std::nullopt;
  const auto [low, high] = std::ranges::minmax(to_array(value).data);
  return Interval{low, high};
}

Known of_sum(const Node* node, const Interval& each) {
  double count = 1;
  for (const int64_t axis : node->ints("axes"))
    count *= static_cast<double>(node->in[0]->type.shape[axis]);
  return each * Interval{count, count};
}

// x minus the whole part of x / n, n times: what is left over is less than n.
Known of_remainder(const Node* node, const Intervals& known) {
  const Node* whole = node->in[1];
  if (!node->is(Op::Sub) || !whole->is(Op::Mul) || node->type.dtype != DType::I32) return {};
  const Node* quotient = whole->in[0];
  if (!quotient->is(Op::Div) || quotient->in[0] != node->in[0]) return {};
  const auto n = known.find(quotient->in[1]), again = known.find(whole->in[1]);
  if (n == known.end() || again == known.end() || n->second != again->second) return {};
  const double size = n->second.low;
  if (size != n->second.high || size == 0) return {};
  const Interval& x = known.at(node->in[0]);
  const double most = std::abs(size) - 1;
  return Interval{x.low < 0 ? -most : 0, x.high > 0 ? most : 0};
}

// The range of sums of products of differences of bytes.
Known of_products(const Node* node) {
  const double most = 255.0 * 255.0 * static_cast<double>(node->in[0]->type.shape.back());
  return Interval{-most, most};
}

// To a whole power of at least 0: each factor widens it.
Known of_power(const Interval& base, const Interval& exponent) {
  if (!(exponent.low >= 0) || !std::isfinite(exponent.high)) return std::nullopt;
  const double most = std::pow(std::max(1.0, base.largest()), exponent.high);
  return Interval{base.low >= 0 ? 0 : -most, most};
}

// Rounding keeps order, so the ends of an interval bound what lies between them. An integer divided
// by 0 is 0 (docs/ir.md), and by others it becomes smaller.
Known of_two(const Node* node, const Interval& a, const Interval& b) {
  const bool whole = node->type.dtype == DType::I32;
  if (node->is(Op::Add)) return a + b;
  if (node->is(Op::Sub)) return a - b;
  if (node->is(Op::Mul)) return node->in[0] == node->in[1] ? square(a) : a * b;
  if (node->is(Op::Max)) return max(a, b);
  if (node->is(Op::Min)) return min(a, b);
  if (node->is(Op::Pow)) return whole ? of_power(a, b) : std::nullopt;
  if (!node->is(Op::Div)) return std::nullopt;
  if (is_away_from_zero(b)) return a / b;
  return whole ? Known(Interval{-a.largest(), a.largest()}) : std::nullopt;
}

Known of_one(const Node* node, const Interval& a) {
  static const std::set<Op> kMoves = {Op::Broadcast, Op::Reshape, Op::Transpose, Op::Slice,
                                      Op::ReduceMax, Op::Gather,  Op::Cast};
  if (kMoves.contains(node->op)) return a;
  if (node->is(Op::Floor)) return mapped(a, [](double x) { return std::floor(x); });
  if (node->is(Op::Round)) return mapped(a, [](double x) { return std::nearbyint(x); });
  if (node->is(Op::Abs)) return abs(a);
  if (node->is(Op::ReduceSum)) return of_sum(node, a);
  if (node->is(Op::CumSum))
    return sums_up_to(a, static_cast<double>(node->type.shape[node->int_attr("axis")]));
  return std::nullopt;
}

// As the result holds it; nothing where that is not exact.
Known held(const Node* node, const Known& interval) {
  if (node->type.dtype == DType::Bool) return Interval{0, 1};
  if (!interval || elements(node->type.shape) == 0) return std::nullopt;
  const double most = is_float(node->type.dtype) ? kLargestFloat : kLargestInteger;
  if (!(interval->low >= -most - 1 && interval->high <= most)) return std::nullopt;
  Array ends{
      {node->type.dtype, {2}           },
      {interval->low,    interval->high}
  };
  round_to_dtype(ends);
  if (!std::isfinite(ends.data[0]) || !std::isfinite(ends.data[1])) return std::nullopt;
  return Interval{ends.data[0], ends.data[1]};
}

}  // namespace

Known computed_interval(const Node* node, const Intervals& known) {
  const auto of = [&](const Node* operand) -> Known {
    const auto found = known.find(operand);
    return found == known.end() ? std::nullopt : std::optional(found->second);
  };
  if (node->is(Op::Constant)) return of_constant(node);
  if (node->in.empty()) return std::nullopt;
  if (is_byte(node->type.dtype)) return interval_of(node->type.dtype);
  if (node->is(Op::MatMulInteger)) return of_products(node);
  if (node->is(Op::Dequantize) || node->is(Op::RowEnds) || node->is(Op::SegmentMax))
    return std::nullopt;
  if (node->is(Op::Select) || node->is(Op::Concat)) {
    Known all = of(node->in[1 % node->in.size()]);
    for (size_t i = node->is(Op::Select) ? 1 : 0; i < node->in.size(); ++i) {
      const Known part = of(node->in[i]);
      if (!part || !all) return std::nullopt;
      all = hull(*all, *part);
    }
    return all;
  }
  const Known a = of(node->in[0]);
  if (!a) return std::nullopt;
  if (node->is(Op::Pack) || node->is(Op::Unpack)) return hull(*a, Interval{0, 0});
  if (node->in.size() != 2 || node->is(Op::Gather)) return of_one(node, *a);
  const Known b = of(node->in[1]);
  if (!b) return std::nullopt;
  const Known rest = of_remainder(node, known);
  return rest ? rest : of_two(node, *a, *b);
}

IndexRanges::IndexRanges(const Graph& graph) {
  const std::map<std::string, int64_t> limits = index_limits(graph);
  for (const auto& node : graph.nodes()) {
    Known interval;
    const auto limit = node->is(Op::Input) ? limits.find(node->name) : limits.end();
    if (limit != limits.end())
      interval = Interval{0, static_cast<double>(limit->second - 1)};
    else
      interval = computed_interval(node.get(), known_);
    if (const Known is = held(node.get(), interval)) known_[node.get()] = *is;
  }
}

std::optional<Interval> IndexRanges::of(const Node* node) const {
  const auto found = known_.find(node);
  return found == known_.end() ? std::nullopt : std::optional(found->second);
}

bool IndexRanges::are_rows(const Node* indices, int64_t rows) const {
  const std::optional<Interval> range = of(indices);
  return range && range->low >= static_cast<double>(-rows) &&
         range->high < static_cast<double>(rows);
}

bool belong_to_cells(const Node* indices) {
  constexpr size_t kMost = 256;  // more nodes than any exporter makes an index of
  const int64_t count = elements(indices->type.shape);
  std::vector<const Node*> open{indices};
  std::unordered_set<const Node*> seen;
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    if (!seen.insert(node).second) continue;
    if (seen.size() > kMost) return false;
    if (node->is(Op::Constant)) continue;
    if (node->is(Op::Broadcast)) {
      if (!node->in[0]->is(Op::Constant)) return false;
      continue;
    }
    if (elements(node->type.shape) != count) return false;
    const bool keeps_places =
        info(node->op).elementwise || node->is(Op::Reshape) || node->is(Op::CumSum);
    if (!keeps_places && !node->is(Op::Input)) return false;
    open.insert(open.end(), node->in.begin(), node->in.end());
  }
  return true;
}

}  // namespace tessera
