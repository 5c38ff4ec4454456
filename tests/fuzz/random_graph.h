// SPDX-License-Identifier: Apache-2.0
// Seeded random graphs in which every op of ir/ops.def may stand, and random inputs for them: an op
// is made by what its row says of its elements. Values stay within a few units, so that two
// machines may be compared; ops that jump (less, floor, a cast to i32) are fed constants, where
// both must agree exactly.
#pragma once

#include <map>
#include <random>
#include <string>

#include "ir/graph.h"

namespace tessera::fuzz {

Graph random_graph(uint32_t seed, int nodes);
std::map<std::string, Array> random_inputs(const Graph& graph, uint32_t seed);

}  // namespace tessera::fuzz
