// SPDX-License-Identifier: Apache-2.0
// How to cut attention over the tiles: by sequence, head and rows of queries. A tile needs all keys
// and values of the heads that it works on, so rows are cut only as far as tiles are left.
#pragma once

#include <vector>

#include "codelets/codelet.h"
#include "program/target.h"
#include "support/limits.h"

namespace tessera {

struct AttentionShape {
  int64_t batch = 1, queries = 1, keys = 1, heads = 1, depth = 1;
  DType dtype = DType::F32;
  std::vector<Param> params = {};
  // The mask's dimensions that are 1 are not cut; a bias is [b,h,r,s], keys and others [b,…].
  std::vector<OperandShape> masks = {};  // whole
};
struct AttentionPlan {
  int64_t batch = 1, queries = 1, heads = 1;
  uint64_t cycles = 0;
};
AttentionPlan plan_attention(const AttentionShape& shape, const Target& target,
                             int64_t working_bytes, const Deadline* deadline = nullptr);

}  // namespace tessera
