// SPDX-License-Identifier: Apache-2.0
// Graphs as text: what print writes, parse reads, to an equal Graph.
//
//   graph @f(%x: f16[2,3], %"odd name:0": i32[4]) {
//     %t = transpose %x {perm=[1,0]} : f16[3,2]
//     %c = constant {value=[1,0.5,-3]} : f32[3]
//     return %t as "logits", %c
//   }
//
// White space is free, # starts a comment, and a name of other characters than letters, digits and
// _ . / - stands in quotes with \" \\ \xHH. A constant's data are its values, row-major; one value
// without brackets fills the tensor (splat). Floats are printed so that they read back to the same
// bits (nan, inf, -inf included; any other NaN as its bits, 0xffc00000). A constant larger than
// `max_values` that is not a splat prints as {elided="<sha256>"}: it parses to a constant without
// data, which verifies but does not evaluate. An output prints `as "name"` unless the name is the
// node's.
#pragma once

#include <string>
#include <string_view>

#include "ir/graph.h"

namespace tessera {

struct PrintOptions {
  int64_t max_values = 64;
  bool origins = false;  // append `  # from onnx/node/name`
};

std::string print(const Graph& graph, const PrintOptions& options = {});
// Errors say `line:column: what is, what must be`. The parsed graph has been verified.
Expected<Graph> parse_graph(std::string_view text);

}  // namespace tessera
