// SPDX-License-Identifier: Apache-2.0
// pack and unpack: between one row a segment, padded, and segments that share rows.
//
// Both read the packed tensor as one line of tokens, whatever row a token falls in. The second
// operand says where each segment stands in it. i32[segments,1] are the lengths of segments that
// are laid end to end; i32[segments,2] are the start and the length of each, with free tokens
// between them.
#include <algorithm>

#include "ir/ops/ops.h"

namespace tessera::ops {
namespace {

// `segments` is negative where any number will do.
Status check_info(const Node& node, int64_t segments) {
  const TensorType& info = node.in[1]->type;
  if (info.dtype == DType::I32 && info.shape.size() == 2 &&
      (info.shape[1] == 1 || info.shape[1] == 2) && (segments < 0 || info.shape[0] == segments))
    return {};
  const std::string count = segments < 0 ? "segments" : std::to_string(segments);
  return fail(node, "places of segments are " + to_string(info) + ", must be i32[" + count +
                        ",1] or i32[" + count + ",2]");
}

Status check_tokens(const Node& node) {
  if (node.in[0]->type.shape.size() >= 2) return {};
  return fail(node, "input is " + to_string(node.in[0]->type) +
                        ", must have a dimension of rows and one of tokens");
}

struct Segment {
  int64_t start = 0, length = 0;  // in the line of tokens
};

Expected<std::vector<Segment>> segments_of(const Node& node, const Array& info, int64_t longest,
                                           int64_t tokens) {
  const bool has_starts = info.type.shape[1] == 2;
  std::vector<Segment> segments;
  int64_t next = 0;
  for (int64_t i = 0; i < info.type.shape[0]; ++i) {
    const auto at = static_cast<size_t>(i);
    Segment segment{next, static_cast<int64_t>(info.data[has_starts ? 2 * at + 1 : at])};
    if (has_starts) segment.start = static_cast<int64_t>(info.data[2 * at]);
    if (segment.length < 0 || segment.length > longest)
      return fail(node, "length of segment " + std::to_string(i) + " is " +
                            std::to_string(segment.length) + ", must be within 0 .. " +
                            std::to_string(longest));
    next = segment.start + segment.length;
    if (segment.start < 0 || next > tokens)
      return fail(node, "segment " + std::to_string(i) + " is tokens " +
                            std::to_string(segment.start) + " to " + std::to_string(next) +
                            ", must be within the " + std::to_string(tokens) +
                            " tokens of the packed rows");
    segments.push_back(segment);
  }
  return segments;
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
  const int64_t size = token_size(to);
  Array out = zeros(node);
  auto row = in[0].data.begin();
  for (const Segment& segment : TRY(segments_of(node, in[1], from[1], to[0] * to[1]))) {
    std::copy_n(row, segment.length * size, out.data.begin() + segment.start * size);
    row += from[1] * size;
  }
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
  const int64_t size = token_size(to);
  Array out = zeros(node);
  auto row = out.data.begin();
  const int64_t tokens = from[0] * from[1];
  for (const Segment& segment : TRY(segments_of(node, in[1], tokens, tokens))) {
    std::copy_n(in[0].data.begin() + segment.start * size, std::min(segment.length, to[1]) * size,
                row);
    row += to[1] * size;
  }
  return out;
}

}  // namespace tessera::ops
