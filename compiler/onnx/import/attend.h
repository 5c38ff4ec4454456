// SPDX-License-Identifier: Apache-2.0
// The importers of all fused attentions share these parts. They write an attention as matmuls and a
// softmax, as exporters do, and passes/fuse_attention.cpp finds it again.
#pragma once

#include <vector>

#include "compiler/onnx/import/call.h"

namespace tessera {

struct Attending {
  Node *q, *k, *v;     // [batch,tokens,heads,depth]; q may have a multiple of the heads of k and v
  double scale = 0;    // of the scores; 0: one over the root of the depth
  double softcap = 0;  // 0: none
  std::vector<Node*> added = {};  // to the scores; of at most 4 axes that stretch to theirs
};

// [batch,tokens,heads x depth of v]
Expected<Node*> attend(Call& call, const Attending& a);

// [batch,tokens,heads x depth] as [batch,tokens,heads,depth].
Expected<Node*> split_heads(Call& call, Node* x, int64_t heads);

// Operand i of [batch,heads,tokens,depth] as it is, or of [batch,tokens,hidden] split into as many
// heads as the attribute says.
Expected<Node*> by_heads(Call& call, size_t i, const char* attribute);

// One of the parts that stand side by side along the last axis.
Expected<Node*> last_part(Call& call, Node* x, int64_t start, int64_t size);

// 0 where `seen`, and elsewhere a number that hides a key.
Expected<Node*> hiding(Call& call, Node* seen, double number, DType dtype);
// The number that hides a key from a query even where a mask hides the keys that it does see.
double lowest(DType dtype);

// 0, 1, 2 … in a shape of one long axis.
Expected<Node*> counting(Call& call, const Shape& shape);

// Bools [1,1,queries,keys]: true where the key stands at the query or less than `window` places
// before it (0: any number).
Expected<Node*> seen_before(Call& call, int64_t queries, int64_t keys, int64_t window = 0);

// [batch,keys]: whether each key comes before the end of its row, which is i32 [batch].
Expected<Node*> before_end(Call& call, Node* ends, int64_t keys);

}  // namespace tessera
