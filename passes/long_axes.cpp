// SPDX-License-Identifier: Apache-2.0
#include "passes/long_axes.h"

#include <algorithm>

#include "passes/match.h"

namespace tessera {
namespace {

bool is_long(const Shape& shape, const TokenAxes& axes, int64_t axis, int64_t row_length) {
  return shape[static_cast<size_t>(axis)] == row_length && !tracks(axes, axis);
}

// A reshape that joins such an axis with others hides it.
int64_t long_axes(const Shape& shape, const TokenAxes& axes, int64_t row_length) {
  int64_t count = 0;
  for (int64_t axis = 0; axis < std::ssize(shape); ++axis)
    count += is_long(shape, axes, axis, row_length);
  return count;
}

// Every position of a request is in a table that is cut to the row.
bool is_looked_up_by_position(const Node& gather) {
  const Node* index = gather.in[1];
  for (int i = 0; i < kFarthest && (index->is(Op::Add) || index->is(Op::Cast)); ++i)
    index = index->in[0];
  return index->is(Op::Input) && index->name.find("position") != std::string::npos;
}

// The axes of an operand along which the op computes, besides those that a rule of tokens sees.
std::vector<int64_t> computed_axes(const Node& node, size_t operand) {
  const Shape& shape = node.in[operand]->type.shape;
  const int64_t rank = std::ssize(shape);
  if (node.is(Op::ReduceSum) || node.is(Op::ReduceMax)) return node.ints("axes");
  if (node.is(Op::Softmax) || node.is(Op::CumSum) || node.is(Op::Concat))
    return {node.int_attr("axis")};
  if (node.is(Op::Gather) && operand == 0 && !is_looked_up_by_position(node))
    return {node.int_attr("axis")};
  if (node.is(Op::MatMul)) return {operand == 0 ? rank - 1 : rank - 2};
  const bool is_norm = node.is(Op::LayerNorm) || node.is(Op::RmsNorm) || node.is(Op::Rotary);
  if (is_norm && operand == 0) return {rank - 1};
  std::vector<int64_t> axes;
  if (node.is(Op::Slice))
    for (int64_t d = 0; d < rank; ++d)
      if (node.ints("size")[static_cast<size_t>(d)] != shape[static_cast<size_t>(d)])
        axes.push_back(d);
  return axes;
}

}  // namespace

Status check_long_axes(const TokenSite& at) {
  const int64_t length = at.shape.row_length;
  if (!at.shape.only_rows_are_so_long) return {};
  const Error refused = at.refuse(
      "computes along an axis that is as long as the row and holds no tokens, so that its result "
      "is another for a shorter request");
  // A sum that one side's tokens bound may be over the other side's places.
  const bool by_tokens =
      at.node.is(Op::MatMul) && (tracks(at.operand(0), std::ssize(at.node.in[0]->type.shape) - 1) ||
                                 tracks(at.operand(1), std::ssize(at.node.in[1]->type.shape) - 2));
  if (by_tokens) return {};
  if (at.node.is(Op::Reshape)) {
    const auto size_is = [&](const Shape& shape) { return std::ranges::count(shape, length); };
    const bool hides = size_is(at.node.type.shape) < size_is(at.node.in[0]->type.shape);
    if (hides && long_axes(at.node.in[0]->type.shape, at.operand(0), length) > 0) return refused;
  }
  for (size_t i = 0; i < at.node.in.size(); ++i)
    for (const int64_t axis : computed_axes(at.node, i))
      if (is_long(at.node.in[i]->type.shape, at.operand(i), axis, length)) return refused;
  return {};
}

Status check_long_output(const Output& output, const TokenAxes& axes, const TokenShape& shape) {
  if (!shape.only_rows_are_so_long) return {};
  if (long_axes(output.node->type.shape, axes, shape.row_length) == 0) return {};
  return Error{
      "output '" + output.name +
      "': has an axis that is as long as the row and holds no tokens, so that it cannot be "
      "cut to a request"};
}

}  // namespace tessera
