// SPDX-License-Identifier: Apache-2.0
// How com.microsoft's attentions are given their queries, keys and values.
#pragma once

#include "compiler/onnx/import/attend.h"

namespace tessera {

// The attribute num_heads.
Expected<int64_t> heads_of(Call& call);

// Queries, keys and values of x [batch,tokens,hidden]. The weights of the three projections stand
// side by side, in thirds or as the attribute qkv_hidden_sizes says. `bias` may be null.
Expected<Attending> projected(Call& call, Node* x, Node* weights, Node* bias, int64_t heads);

// The same of their product [batch,tokens,n], side by side.
Expected<Attending> thirds(Call& call, Node* qkv, int64_t heads);

// Each [batch,tokens,hidden]; or q [batch,tokens,heads,3,depth] alone; or k
// [batch,tokens,heads,2,depth] without v; or k and v [batch,heads,tokens,depth]. Null: left out.
struct HeadOperands {
  Node *q, *k, *v;
  Node* bias;  // of all three, one behind another; keys and values by heads have theirs already
};
Expected<Attending> told_apart(Call& call, const HeadOperands& of, int64_t heads);

// [batch,tokens,heads,depth] as [batch,heads,tokens,depth], or back.
Expected<Node*> heads_first(Call& call, Node* x);

}  // namespace tessera
