// SPDX-License-Identifier: Apache-2.0
// The masks that com.microsoft's attentions take: which keys count, said in one of five shapes.
#pragma once

#include "compiler/onnx/import/call.h"

namespace tessera {

struct AttendedSizes {
  int64_t batch, queries, keys;
};

// Bools that stretch to [batch,heads,queries,keys], of operand `i`, called `name` in errors:
//   [batch]                 how many keys of each row count, from its start
//   [2 x batch]             where they end in each row, then where they start
//   [3 x batch + 2]         how many, then where rows start among all queries and among all keys
//   [batch,keys]            not 0: this key counts
//   [batch,queries,keys]    not 0: it counts for this query
Expected<Node*> seen_keys(Call& call, size_t i, const char* name, const AttendedSizes& size);

}  // namespace tessera
