// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/key_padding.h"

#include "compiler/onnx/import/attend.h"

namespace tessera {
namespace {

Expected<Node*> part_of(Call& call, Node* list, int64_t start, int64_t size) {
  if (list->type.shape == Shape{size}) return list;
  const Call::Attrs part = {
      {"start", Shape{start}},
      {"step",  Shape{1}    },
      {"size",  Shape{size} }
  };
  return call.add(Op::Slice, {list}, part);
}

// ONNX Runtime shows a key if its number in the mask is above 0.
Expected<Node*> above_zero(Call& call, Node* mask) {
  if (mask->type.dtype == DType::Bool) return mask;
  return call.add(Op::Less, {TRY(call.like(mask, 0)), mask});
}

Expected<Node*> from_start_to_end(Call& call, Node* mask, const AttendedSizes& size) {
  Node* ends = TRY(part_of(call, mask, 0, size.batch));
  Node* starts = TRY(part_of(call, mask, size.batch, size.batch));
  Node* before = TRY(before_end(call, starts, size.keys));
  return call.add(Op::And,
                  {TRY(before_end(call, ends, size.keys)), TRY(call.add(Op::Not, {before}))});
}

Error refused(const Call& call, const Node* mask, const char* name) {
  const std::string is = std::string(name) + " is " + to_string(mask->type) + ", ";
  if (mask->type.shape.size() == 4)
    return call.error(is +
                      "a mask of all places in the cache of a decoder, must be of the places of "
                      "this batch: [batch, sequence, keys], or added to the scores as "
                      "attention_bias");
  return call.error(is +
                    "must be integers of [batch], [2 x batch], [3 x batch + 2], [batch, keys] or "
                    "[batch, sequence, keys]");
}

}  // namespace

Expected<Node*> seen_keys(Call& call, size_t i, const char* name, const AttendedSizes& size) {
  Node* mask = call.in(i);
  const Shape& shape = mask->type.shape;
  const int64_t batch = size.batch, keys = size.keys;
  if (is_float(mask->type.dtype)) return refused(call, mask, name);
  if (shape == Shape{batch, keys})
    return call.reshape(TRY(above_zero(call, mask)), {batch, 1, 1, keys});
  if (shape == Shape{batch, size.queries, keys})
    return call.reshape(TRY(above_zero(call, mask)), {batch, 1, size.queries, keys});
  if (shape.size() != 1 || mask->type.dtype != DType::I32) return refused(call, mask, name);
  const int64_t count = shape[0];
  if (count != batch && count != 2 * batch && count != 3 * batch + 2)
    return refused(call, mask, name);
  Node* seen = count == 2 * batch ? TRY(from_start_to_end(call, mask, size))
                                  : TRY(before_end(call, TRY(part_of(call, mask, 0, batch)), keys));
  return call.reshape(seen, {batch, 1, 1, keys});
}

}  // namespace tessera
