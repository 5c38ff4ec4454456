// SPDX-License-Identifier: Apache-2.0
// Chooses the nodes that stay in f32 where f16 is asked for: a promise about answers.
//
// Rules (fp32_rules.def) find them on the graph in f32, by what values may hold (value_range.h). A
// walk along the nodes keeps what f16 does not hold and what computes with it, until a node bounds
// it. A walk back keeps what is asked for in f32 by a user that cannot do with less: an index, a
// comparison, a divisor, a sum.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "passes/pipeline.h"
#include "passes/value_range.h"

namespace tessera {

std::string_view name_of(Fp32Rule rule);

struct Fp32Choice {
  std::unordered_set<const Node*> nodes;  // they read, compute and make f32
  std::vector<KeptInFp32> why;            // for each that computes, in the graph's order
  // One for each input and output that leaves the range of f16, where the model declares f16.
  std::vector<std::string> warnings;
};

// `ops` and `names` (of ONNX nodes, or of values) are kept beside what the rules keep.
Fp32Choice choose_fp32(const Graph& graph, const PassOptions& options);

// A name that no node has is a Usage error of this option with the nearest one.
Status check_node_names(const Graph& graph, std::string_view option,
                        const std::set<std::string>& names);

}  // namespace tessera
