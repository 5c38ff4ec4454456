// SPDX-License-Identifier: Apache-2.0
#include "passes/added_cells.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "passes/counted_places.h"
#include "passes/key_mask.h"
#include "passes/match.h"
#include "passes/token_site.h"
#include "support/half.h"
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

// Numbers that are finite, also where they are as large as a dtype's largest: no mask's -inf.
bool are_finite(const CellRange& range, DType dtype) {
  const double most = dtype == DType::F16 ? kMaxHalf : double{std::numeric_limits<float>::max()};
  if (range.kind == Kind::Finite) return true;
  return range.kind == Kind::Number && Interval{range.low, range.high}.largest() <= most;
}

double largest(const CellRange& range) { return Interval{range.low, range.high}.largest(); }

// A row of n normalized numbers is as long as √n.
CellRange norm_of(const Node& node, const std::vector<CellRange>& in) {
  double most = std::sqrt(static_cast<double>(node.type.shape.back())) * largest(in[1]);
  if (in.size() > 2) most += largest(in[2]);
  return {-most, most, Kind::Finite};
}

// Sums of finite products, which have bounds where the operands have.
CellRange product_of(const Node& node, const std::vector<CellRange>& in) {
  if (in[0].is_zero() || in[1].is_zero()) return {0, 0, Kind::Finite};
  const auto terms = static_cast<double>(node.in[0]->type.shape.back());
  const double most = terms * largest(in[0]) * largest(in[1]);
  return std::isfinite(most) ? CellRange{-most, most, Kind::Finite}
                             : CellRange{.kind = Kind::Finite};
}

}  // namespace

// Beside a mask of -1e9, numbers are added that are nowhere near as large.
double lowest_mask(const Node& node) { return node.type.dtype == DType::F16 ? -6e4 : -5e8; }

namespace {

constexpr unsigned kByBoth = 4;  // as many kinds of cells as a value for each two tokens has

// The axis of the result that an axis of operand i becomes; -1 where it is summed over.
int axis_in_result(const Node& node, size_t i, int axis) {
  const auto rank = static_cast<int>(node.in[i]->type.shape.size());
  if (is_float_matmul(&node) || node.is(Op::MatMulInteger))
    return axis == rank - (i == 0 ? 1 : 2) ? -1 : axis;
  if (!node.is(Op::ReduceSum) && !node.is(Op::ReduceMax)) return axis;
  const std::vector<int64_t>& axes = node.ints("axes");
  if (std::ranges::find(axes, axis) != axes.end()) return -1;
  return axis - static_cast<int>(std::ranges::count_if(axes, [&](auto d) { return d < axis; }));
}

// The bit of the result's cells that says whether they stand behind a request along this axis of
// operand i; nothing where both do.
std::optional<unsigned> bit_of(const TokenSite& at, const TokenAxes& result, size_t i, int axis) {
  const bool in_place = info(at.node.op).elementwise || at.node.is(Op::Concat) ||
                        is_float_matmul(&at.node) || at.node.is(Op::MatMulInteger) ||
                        at.node.is(Op::RowEnds) || at.node.is(Op::ReduceSum) ||
                        at.node.is(Op::ReduceMax) || at.node.is(Op::Rotary);
  if (!in_place && axis != at.operand(i).second()) return 1;
  if (!in_place) return result.second() >= 0 ? std::optional(2U) : std::nullopt;
  const int there = axis_in_result(at.node, i, axis);
  if (there < 0) return std::nullopt;
  if (there == result.sequence) return 1;
  return there == result.second() ? std::optional(2U) : std::nullopt;
}

// A number for each two places: what it holds where the second is behind the first, or before it.
std::optional<CellRange> range_of_places(const Node* value, const TokenAxes& pairs,
                                         unsigned cells) {
  if (pairs.second() < 0 || cells == 0 || cells == 3 || splat(value)) return std::nullopt;
  const std::optional<Array> known = known_value(value);
  if (!known) return std::nullopt;
  const Shape& shape = value->type.shape;
  const Shape strides = row_major_strides(shape);
  const auto place = [&](int64_t i, int axis) {
    return i / strides[static_cast<size_t>(axis)] % shape[static_cast<size_t>(axis)];
  };
  Array behind{value->type, {}};
  for (int64_t i = 0; i < std::ssize(known->data); ++i) {
    const int64_t first = place(i, pairs.sequence), second = place(i, pairs.second());
    if (cells == 2 ? second > first : first > second)
      behind.data.push_back(known->data[static_cast<size_t>(i)]);
  }
  if (behind.data.empty()) return std::nullopt;
  behind.type.shape = {std::ssize(behind.data)};
  return range_of_constant(to_tensor(behind));
}

// The range of operand i in the cells that these cells of the result are made of.
CellRange range_of_operand(const TokenSite& at, const TokenAxes& result, size_t i, unsigned cells) {
  const TokenAxes& axes = at.operand(i);
  const Cells& all = at.cells_of(i);
  if (axes.kind == TokenAxes::Kind::Free && info(at.node.op).elementwise)
    if (const auto range = range_of_places(at.node.in[i], result, cells)) return *range;
  if (axes.kind != TokenAxes::Kind::Token || axes.flat >= 0)
    return axes.kind == TokenAxes::Kind::Token ? all[cells & 1] : all[0];
  std::vector<CellRange> fitting;
  for (unsigned of = 0; of < (axes.second() < 0 ? 2U : kByBoth); ++of) {
    bool fits = true;
    for (const auto& [axis, bit] : {std::pair(axes.sequence, 1U), std::pair(axes.second(), 2U)}) {
      const auto of_result = axis < 0 ? std::nullopt : bit_of(at, result, i, axis);
      if (of_result) fits = fits && ((of & bit) != 0) == ((cells & *of_result) != 0);
    }
    if (fits) fitting.push_back(all[of]);
  }
  return all_of(fitting);
}

CellRange softmax_of(const TokenSite& at, const TokenAxes& axes, unsigned cells) {
  if (cells == 0 && axes.kind == TokenAxes::Kind::Token) return {0, 1, Kind::Finite};
  const int64_t axis = at.node.int_attr("axis");
  const unsigned along = axis == axes.sequence ? 1 : axis == axes.key ? 2 : 0;
  const CellRange range = range_of_operand(at, axes, 0, cells);
  if (range.kind == Kind::Anything) return {};
  if (along != 0 && cells == along && hides(range.high)) return {0, 0, Kind::Finite};
  const CellRange others = range_of_operand(at, axes, 0, cells ^ along);
  const DType dtype = at.node.type.dtype;
  return {0, 1,
          are_finite(range, dtype) && are_finite(others, dtype) ? Kind::Finite : Kind::Anything};
}

CellRange range_of_cells(const TokenSite& at, const TokenAxes& axes, unsigned cells) {
  const Node& node = at.node;
  const bool is_behind = axes.kind == TokenAxes::Kind::Token && cells != 0;
  if (is_behind && axis_of_counted_places(node) == axes.sequence) return {0, 0, Kind::Finite};
  if (node.is(Op::Input)) {
    if (!is_behind) return {.kind = Kind::Finite};
    const double value = &node == at.shape.filled ? 1 : 0;
    return {value, value, Kind::Finite};
  }
  if (node.is(Op::Constant)) return range_of_constant(node.value);
  if (node.is(Op::Softmax)) return softmax_of(at, axes, cells);
  // A slice of tokens between zeros has a neighbour in place of each token.
  if (node.is(Op::Slice) && at.operand(0).has_zeros_around())
    return all_of({at.cells_of(0)[0], at.cells_of(0)[1]});
  std::vector<CellRange> in;
  for (size_t i = 0; i < node.in.size(); ++i) in.push_back(range_of_operand(at, axes, i, cells));
  if (info(node.op).elementwise) return range_of_elements(node, in);
  // A mask that hides keys by -inf leaves finite sums of values, but none where it hides them all.
  if (node.is(Op::Attention)) {
    for (size_t i = 3; i < in.size(); ++i)
      if (cells != 0 && at.operand(i).key >= 0 && !are_finite(in[i], node.in[i]->type.dtype))
        return {};
    in.resize(3);
  }
  const CellRange all = all_of(in);
  const bool moves = is_view(&node) || node.is(Op::Slice) || node.is(Op::Concat);
  if (moves || node.is(Op::ReduceMax)) return all;
  if (node.is(Op::Gather)) return in[0];
  if (node.is(Op::ReduceSum)) return sum_of(in[0]);
  const bool is_norm = node.is(Op::LayerNorm) || node.is(Op::RmsNorm);
  if (all.kind != Kind::Finite || (is_norm && node.float_attr("eps") <= 0)) return {};
  if (is_norm) return norm_of(node, in);
  if (is_float_matmul(&node)) return product_of(node, in);
  return {.kind = Kind::Finite};
}

}  // namespace

Cells cells_of_result(const TokenSite& at, const TokenAxes& axes) {
  Cells cells;
  if (axes.kind == TokenAxes::Kind::Row) {
    cells.fill({.kind = Kind::Finite});
    return cells;
  }
  if (axes.kind == TokenAxes::Kind::Free) {
    cells.fill(range_of_cells(at, axes, 0));
    return cells;
  }
  for (unsigned i = 0; i < kByBoth; ++i)
    cells[i] = i >= 2 && axes.second() < 0 ? cells[i & 1] : range_of_cells(at, axes, i);
  return cells;
}

CellRange TokenSite::added_to(size_t i) const {
  const Cells& all = cells_of(i);
  if (operand(i).second() < 0) return all[1];
  return operand(i).key < 0 ? all_of({all[1], all[3]}) : all_of({all[1], all[2], all[3]});
}

CellRange TokenSite::added_along(size_t i, int64_t axis) const {
  const Cells& all = cells_of(i);
  if (axis >= 0 && axis == operand(i).key) return all[2];
  return operand(i).place >= 0 ? all_of({all[1], all[3]}) : all[1];
}

}  // namespace tessera
