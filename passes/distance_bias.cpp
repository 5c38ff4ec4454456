// SPDX-License-Identifier: Apache-2.0
#include "passes/distance_bias.h"

#include <algorithm>
#include <cmath>

#include "passes/floats.h"
#include "passes/key_mask.h"
#include "passes/match.h"

namespace tessera {
namespace {

bool is_by_distance(const Array& bias) {
  const int64_t queries = bias.type.shape[2], keys = bias.type.shape[3];
  if (queries != keys) return false;
  for (int64_t i = 0; i < std::ssize(bias.data); ++i) {
    const int64_t query = i / keys % queries, key = i % keys;
    if (query > 0 && key > 0 && !same_bits(bias.data[i], bias.data[i - keys - 1])) return false;
  }
  return true;
}

// One number of each head for all queries and keys.
bool is_alike(const Array& bias) {
  const int64_t head = bias.type.shape[2] * bias.type.shape[3];
  for (int64_t i = 0; i < std::ssize(bias.data); ++i)
    if (!same_bits(bias.data[i], bias.data[i - i % head])) return false;
  return true;
}

// One head of a bias, as if it had all queries and keys.
class Head {
 public:
  Head(const Array& bias, int64_t head) : bias_(bias) {
    const Shape& shape = bias.type.shape;
    base_ = head * shape[2] * shape[3];
    query_step_ = shape[2] == 1 ? 0 : shape[3];
    key_step_ = shape[3] == 1 ? 0 : 1;
  }

  double at(int64_t query, int64_t key) const {
    return bias_.data[base_ + query * query_step_ + key * key_step_];
  }
  // Above what the query gives itself; what is hidden stays as it is.
  double beside_itself(int64_t query, int64_t key) const {
    const double added = at(query, key);
    return hides(added) ? added : added - at(query, query);
  }
  bool is_same(int64_t query, int64_t key, double expected) const {
    const double added = at(query, key);
    if (hides(added) || hides(expected)) return hides(added) && hides(expected);
    const double magnitude = std::max(std::abs(added), std::abs(at(query, query)));
    const double rounding = magnitude * step_of(bias_.type.dtype);
    return std::abs(beside_itself(query, key) - expected) <= rounding;
  }

 private:
  const Array& bias_;
  int64_t base_ = 0, query_step_ = 0, key_step_ = 0;
};

// The first row tells the bias of keys behind a query, the first key that of keys before it.
double told(const Head& head, int64_t distance) {
  return head.beside_itself(std::max<int64_t>(-distance, 0), std::max<int64_t>(distance, 0));
}

}  // namespace

std::optional<Array> bias_by_distance(const Array& bias) {
  if (is_by_distance(bias) || is_alike(bias)) return bias;
  const Shape& shape = bias.type.shape;
  const int64_t length = std::max(shape[2], shape[3]);
  Array made{bias.type, {}};
  made.type.shape = {1, shape[1], length, length};
  made.data.reserve(static_cast<size_t>(elements(made.type.shape)));
  for (int64_t h = 0; h < shape[1]; ++h) {
    const Head head(bias, h);
    for (int64_t query = 0; query < length; ++query)
      for (int64_t key = 0; key < length; ++key) {
        made.data.push_back(told(head, key - query));
        if (!head.is_same(query, key, made.data.back())) return std::nullopt;
      }
  }
  return made;
}

}  // namespace tessera
