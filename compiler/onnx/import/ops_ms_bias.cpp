// SPDX-License-Identifier: Apache-2.0
// com.microsoft's RelativePositionBias: T5's numbers by distance, which are constants once the
// sequence's length is.
#include <algorithm>
#include <cmath>

#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

struct Buckets {
  int64_t count, farthest;
  bool both_ways;  // keys after the query have the upper half
};

// Near distances have a bucket each, farther ones share theirs by the logarithm.
int64_t bucket_of(int64_t key_after_query, Buckets of) {
  int64_t first = 0, distance = -key_after_query;
  if (of.both_ways) {
    of.count /= 2;
    if (distance < 0) first = of.count;
    distance = std::abs(distance);
  }
  distance = std::max<int64_t>(distance, 0);
  const int64_t near = of.count / 2;
  if (distance < near) return first + distance;
  const double share = std::log(static_cast<double>(distance) / static_cast<double>(near)) /
                       std::log(static_cast<double>(of.farthest) / static_cast<double>(near));
  const auto far = static_cast<int64_t>(share * static_cast<double>(of.count - near));
  return first + std::min(near + far, of.count - 1);
}

Expected<int64_t> length_of(Call& call, size_t i, const char* name) {
  if (elements(call.shape(i)) != 1)
    return call.error(std::string(name) + " is " + to_string(call.in(i)->type) +
                      ", must be one number");
  const std::vector<int64_t> numbers = TRY(call.constant_ints(i, name));
  if (numbers[0] > 0) return numbers[0];
  return call.error(std::string(name) + " is " + std::to_string(numbers[0]) +
                    ", must be at least 1");
}

}  // namespace

Status relative_position_bias(Call& call) {
  const int64_t queries = TRY(length_of(call, 1, "query_length"));
  const int64_t keys = TRY(length_of(call, 2, "key_length"));
  if (call.rank(0) != 2)
    return call.error("bias_table is " + to_string(call.in(0)->type) +
                      ", must be [buckets, heads]");
  const Buckets of{call.shape(0)[0], call.attr("max_distance", int64_t{0}),
                   call.attr("is_bidirectional", int64_t{0}) != 0};
  const int64_t near = of.count / (of.both_ways ? 4 : 2);
  if (near < 1 || of.farthest <= near)
    return call.error("max_distance is " + std::to_string(of.farthest) + " and buckets are " +
                      std::to_string(of.count) +
                      ", must be more than the buckets of near distances, which must be some");
  if (!call.spend(queries, keys))
    return call.error("has " + std::to_string(queries) + " queries and " + std::to_string(keys) +
                      " keys, must have fewer");
  Array index{
      {DType::I32, {queries, keys}},
      {}
  };
  for (int64_t query = 0; query < queries; ++query)
    for (int64_t key = 0; key < keys; ++key)
      index.data.push_back(static_cast<double>(bucket_of(key - query, of)));
  const int64_t heads = call.shape(0)[1];
  Node* rows =
      TRY(call.add(Op::Gather, {call.in(0), call.constant(index)}, with("axis", int64_t{0})));
  Node* by_head = TRY(call.transpose(rows, {2, 0, 1}));
  return call.result(Op::Reshape, {by_head}, with("shape", Shape{1, heads, queries, keys}));
}

}  // namespace tessera::handlers
