// SPDX-License-Identifier: Apache-2.0
// pack and unpack: between one row a segment, padded, and segments laid end to end.
//
// Both read the packed tensor as one line of tokens: segment i stands after the lengths of all
// segments before it, whatever row that falls in. So a segment may continue on the next row, and
// the lengths are all that either op needs to know.
#include <algorithm>

#include "ir/ops/ops.h"

namespace tessera::ops {
namespace {

Status check_info(const Node& node, int64_t segments) {
  const TensorType wanted{
      DType::I32, {segments, 1}
  };
  if (segments >= 0 ? node.in[1]->type == wanted
                    : node.in[1]->type.dtype == DType::I32 && node.in[1]->type.shape.size() == 2 &&
                          node.in[1]->type.shape[1] == 1)
    return {};
  return fail(node, "lengths are " + to_string(node.in[1]->type) + ", must be " +
                        (segments >= 0 ? to_string(wanted) : "i32[segments,1]"));
}

Status check_tokens(const Node& node) {
  if (node.in[0]->type.shape.size() >= 2) return {};
  return fail(node, "input is " + to_string(node.in[0]->type) +
                        ", must have a dimension of rows and one of tokens");
}

// Where each segment starts in the line of tokens.
Expected<std::vector<int64_t>> starts(const Node& node, const std::vector<double>& lengths,
                                      int64_t longest, int64_t tokens) {
  std::vector<int64_t> at;
  int64_t next = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const auto length = static_cast<int64_t>(lengths[i]);
    if (length < 0 || length > longest)
      return fail(node, "length of segment " + std::to_string(i) + " is " + std::to_string(length) +
                            ", must be within 0 .. " + std::to_string(longest));
    at.push_back(next);
    next += length;
  }
  if (next > tokens)
    return fail(node, "lengths add up to " + std::to_string(next) + ", must be at most the " +
                          std::to_string(tokens) + " tokens of the packed rows");
  return at;
}

// Elements of one token.
int64_t token_size(const Shape& shape) { return view_axis(shape, 1).inner; }

}  // namespace

Expected<TensorType> Pack::infer(const Node& node) {
  TRY(check_tokens(node));
  const TensorType& x = node.in[0]->type;
  TRY(check_info(node, x.shape[0]));
  const int64_t rows = node.int_attr("rows"), row_length = node.int_attr("row_length");
  if (rows < 1 || row_length < 1)
    return fail(node, "rows and row_length are " + std::to_string(rows) + " and " +
                          std::to_string(row_length) + ", must be at least 1");
  TensorType result = x;
  result.shape[0] = rows;
  result.shape[1] = row_length;
  return result;
}

Expected<Array> Pack::eval(const Node& node, std::span<const Array> in) {
  const Shape& from = in[0].type.shape;
  const Shape& to = node.type.shape;
  const std::vector<double>& lengths = in[1].data;
  const std::vector<int64_t> at = TRY(starts(node, lengths, from[1], to[0] * to[1]));
  const int64_t size = token_size(to);
  Array out = zeros(node);
  for (size_t i = 0; i < at.size(); ++i)
    std::copy_n(in[0].data.begin() + static_cast<int64_t>(i) * from[1] * size,
                static_cast<int64_t>(lengths[i]) * size, out.data.begin() + at[i] * size);
  return out;
}

Expected<TensorType> Unpack::infer(const Node& node) {
  TRY(check_tokens(node));
  TRY(check_info(node, -1));
  const int64_t longest = node.int_attr("segment_max_size");
  if (longest < 1)
    return fail(node, "segment_max_size is " + std::to_string(longest) + ", must be at least 1");
  TensorType result = node.in[0]->type;
  result.shape[0] = node.in[1]->type.shape[0];
  result.shape[1] = longest;
  return result;
}

Expected<Array> Unpack::eval(const Node& node, std::span<const Array> in) {
  const Shape& from = in[0].type.shape;
  const Shape& to = node.type.shape;
  const std::vector<double>& lengths = in[1].data;
  const std::vector<int64_t> at = TRY(starts(node, lengths, to[1], from[0] * from[1]));
  const int64_t size = token_size(to);
  Array out = zeros(node);
  for (size_t i = 0; i < at.size(); ++i)
    std::copy_n(in[0].data.begin() + at[i] * size, static_cast<int64_t>(lengths[i]) * size,
                out.data.begin() + static_cast<int64_t>(i) * to[1] * size);
  return out;
}

}  // namespace tessera::ops
