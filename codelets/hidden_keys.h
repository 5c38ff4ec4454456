// SPDX-License-Identifier: Apache-2.0
// The rule that an attention carries whose model adds a number to the scores of hidden keys, as
// "keys:NUMBER" says. Attention leaves such keys out. That is the model's answer where what is left
// of their scores has no weight next to a key that is seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "program/program.h"

namespace tessera {

struct HiddenRule {
  double added = 0;  // NUMBER, which is finite and below 0
  double scale = 1;
  DType dtype = DType::F32;  // of queries and keys
  std::optional<DType> bias = {};
  int64_t batch = 0, keys = 0;  // of the whole attention

  static constexpr size_t kQueries = 0, kKeys = 1, kMask = 3, kBias = 4;  // operands
};

// The rule of a superstep, which must have been checked. There is none if it is not an attention,
// if no number is added, or if that is minus infinity.
std::optional<HiddenRule> hidden_rule(const Program& program, const ComputeSet& set);

}  // namespace tessera
