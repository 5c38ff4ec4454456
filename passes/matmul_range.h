// SPDX-License-Identifier: Apache-2.0
// What a matmul may hold: by weights, what training has kept moderate; by a constant of one number,
// a sum; by whole numbers that f16 rounds, numbers of any size.
#pragma once

#include <optional>

#include "passes/value_range.h"

namespace tessera {

// What a matmul adds up by a constant operand that holds one number and perhaps zeros: rows and
// blocks of ones, triangles, means. Weights that were trained are not like that.
struct Addends {
  double number = 0;
  int64_t most = 0;  // that one result adds up, at most
};
std::optional<Addends> addends_of(const Node& matmul, size_t operand);

ValueRange range_of_matmul(const Node& node, const ValueRange& a, const ValueRange& b);

}  // namespace tessera
