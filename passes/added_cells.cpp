// SPDX-License-Identifier: Apache-2.0
#include "passes/added_cells.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "passes/counted_places.h"
#include "passes/key_mask.h"
#include "passes/match.h"
#include "support/interval.h"

namespace tessera {
namespace {

using Kind = CellRange::Kind;

CellRange all_of(const std::vector<CellRange>& in) {
  CellRange all = in[0];
  for (const CellRange& one : in) {
    const Interval both = hull({all.low, all.high}, {one.low, one.high});
    all = {both.low, both.high, std::min(all.kind, one.kind)};
  }
  return all;
}

CellRange sum_of(const CellRange& range) {
  if (range.kind != Kind::Finite || range.is_zero()) return range;
  CellRange sum{.kind = Kind::Finite};
  if (range.low >= 0) sum.low = 0;
  return sum;
}

CellRange softmax_of(const CellRange& range, bool over_tokens) {
  if (range.kind == Kind::Anything) return {};
  if (over_tokens && hides(range.high)) return {0, 0, Kind::Finite};
  return {0, 1, range.kind == Kind::Finite ? Kind::Finite : Kind::Anything};
}

// A row of n normalized numbers is as long as √n.
CellRange norm_of(const Node& node, const std::vector<CellRange>& in) {
  const auto largest = [](const CellRange& range) {
    return Interval{range.low, range.high}.largest();
  };
  double most = std::sqrt(static_cast<double>(node.type.shape.back())) * largest(in[1]);
  if (in.size() > 2) most += largest(in[2]);
  return {-most, most, Kind::Finite};
}

}  // namespace

// Beside a mask of -1e9, numbers are added that are nowhere near as large.
double lowest_mask(const Node& node) { return node.type.dtype == DType::F16 ? -6e4 : -5e8; }

CellRange range_of_added(const Node& node, const TokenAxes& axes, const CellRangeMap& known,
                         const Node* filled) {
  if (axes.kind == TokenAxes::Kind::Row) return {.kind = Kind::Finite};
  if (axes.kind == TokenAxes::Kind::Token && axis_of_counted_places(node) == axes.sequence)
    return {0, 0, Kind::Finite};
  std::vector<CellRange> in;
  for (const Node* operand : node.in) in.push_back(known.at(operand));
  if (info(node.op).elementwise) return range_of_elements(node, in);
  // A mask that hides keys by -inf leaves finite sums of values.
  if (node.is(Op::Attention)) in.resize(3);
  if (node.is(Op::Input)) {
    const double value = &node == filled ? 1 : 0;
    return {value, value, Kind::Finite};
  }
  if (node.is(Op::Constant)) return range_of_constant(node.value);
  const CellRange all = all_of(in);
  const bool moves = is_view(&node) || node.is(Op::Slice) || node.is(Op::Concat);
  if (moves || node.is(Op::ReduceMax)) return all;
  if (node.is(Op::Gather)) return in[0];
  if (node.is(Op::ReduceSum)) return sum_of(in[0]);
  if (node.is(Op::Softmax)) return softmax_of(in[0], node.int_attr("axis") == axes.sequence);
  const bool is_norm = node.is(Op::LayerNorm) || node.is(Op::RmsNorm);
  if (all.kind != Kind::Finite || (is_norm && node.float_attr("eps") <= 0)) return {};
  if (is_norm) return norm_of(node, in);
  if (node.is(Op::MatMul) && (in[0].is_zero() || in[1].is_zero())) return {0, 0, Kind::Finite};
  return {.kind = Kind::Finite};
}

}  // namespace tessera
