// SPDX-License-Identifier: Apache-2.0
#include "passes/counted_places.h"

#include "passes/match.h"

namespace tessera {
namespace {

constexpr int64_t kCountedElements = int64_t{1} << 20;

bool is_mask_input(const Node* mask) {
  while (mask->is(Op::Cast)) mask = mask->in[0];
  // "is it more than 0", as packing asks of a mask that numbers requests
  if (mask->is(Op::Less) && splat(mask->in[0]) == 0.0) mask = mask->in[1];
  return mask->is(Op::Input);
}

// A sum or difference with one number that leaves at most what it was.
const Node* without_less(const Node* node) {
  const bool adds = node->is(Op::Add);
  if (!adds && !node->is(Op::Sub)) return nullptr;
  const std::optional<double> number = splat(node->in[1]);
  return number && (adds ? *number <= 0 : *number >= 0) ? node->in[0] : nullptr;
}

// -1 and +1 cancel: decoders pass the number of tokens less one.
const Node* one_less_and_more(const Node* node) {
  const std::optional<double> more = node->is(Op::Add) ? splat(node->in[1]) : std::nullopt;
  if (!more) return nullptr;
  const Node* inner = node->in[0];
  while (inner->is(Op::Cast) || inner->is(Op::Reshape)) inner = inner->in[0];
  const bool adds = inner->is(Op::Add);
  if (!adds && !inner->is(Op::Sub)) return nullptr;
  const std::optional<double> less = splat(inner->in[1]);
  if (!less || *more + (adds ? *less : -*less) > 0) return nullptr;
  return inner->in[0];
}

// True if all elements of the value along `axis` are one, stretched.
bool is_alike_along(const Node* value, int axis) {
  if (value->type.shape[static_cast<size_t>(axis)] == 1) return true;
  if (!value->is(Op::Broadcast)) return false;
  const Shape& from = value->in[0]->type.shape;
  const int64_t added = std::ssize(value->type.shape) - std::ssize(from);
  return axis < added || from[static_cast<size_t>(axis - added)] == 1;
}

}  // namespace

std::optional<Array> known_value(const Node* value) {
  if (elements(value->type.shape) > kCountedElements) return std::nullopt;
  if (value->is(Op::Constant) && value->value.has_data()) return to_array(value->value);
  if (!is_view(value)) return std::nullopt;
  std::optional<Array> from = known_value(value->in[0]);
  if (!from) return std::nullopt;
  Expected<Array> result = eval(*value, std::span(&*from, 1));
  return result ? std::optional(result.take()) : std::nullopt;
}

bool counts_tokens(const Node* lengths) {
  for (int i = 0; i < kFarthest; ++i) {
    const Node* below = nullptr;
    if (lengths->is(Op::Reshape) || lengths->is(Op::Cast) || lengths->is(Op::Broadcast))
      below = lengths->in[0];
    else if (const Node* both = one_less_and_more(lengths))
      below = both;
    else
      below = without_less(lengths);
    if (!below) break;
    lengths = below;
  }
  const bool of_rows = lengths->is(Op::ReduceSum) && lengths->type.shape.size() == 1 &&
                       lengths->in[0]->type.shape.size() == 2 &&
                       lengths->ints("axes") == std::vector<int64_t>{1};
  return of_rows && is_mask_input(lengths->in[0]);
}

std::optional<int> axis_of_counted_places(const Node& less) {
  if (!less.is(Op::Less) || less.in[0]->type.dtype != DType::I32 || !counts_tokens(less.in[1]))
    return std::nullopt;
  const std::optional<Array> places = known_value(less.in[0]);
  if (!places) return std::nullopt;
  const Shape& shape = less.type.shape;
  const Shape strides = row_major_strides(shape);
  for (int axis = std::ssize(shape) - 1; axis >= 0; --axis) {
    const auto d = static_cast<size_t>(axis);
    if (shape[d] == 1 || !is_alike_along(less.in[1], axis)) continue;
    bool counts = true;
    for (int64_t i = 0; counts && i < std::ssize(places->data); ++i)
      counts =
          places->data[static_cast<size_t>(i)] >= static_cast<double>(i / strides[d] % shape[d]);
    if (counts) return axis;
  }
  return std::nullopt;
}

}  // namespace tessera
