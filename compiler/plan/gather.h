// SPDX-License-Identifier: Apache-2.0
// How to look rows up in a table: table[p,v,n] by t indices. Either the table stays where it is,
// cut by rows and columns, and every part answers for the indices that fall into it; or the
// indices are cut, and each tile receives the part of the table that it needs.
#pragma once

#include "program/target.h"
#include "support/limits.h"
#include "support/type.h"

namespace tessera {

struct GatherShape {
  int64_t p = 1, v = 1, n = 1, t = 1;
  DType dtype = DType::F32;
  bool table_stays = false;  // may lie as the plan likes: a constant without a place yet
  bool checked = false;      // the indices are not proved to be rows
};

// Block sizes. Row blocks (v) of a table give partial answers, to be summed.
struct GatherPlan {
  int64_t v = 1, p = 1, t = 1, n = 1;
  uint64_t cycles = 0;
};

GatherPlan plan_gather(const GatherShape& shape, const Target& target, int64_t working_bytes,
                       const Deadline* deadline = nullptr);

}  // namespace tessera
