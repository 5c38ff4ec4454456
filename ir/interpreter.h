// SPDX-License-Identifier: Apache-2.0
// The reference interpreter: the meaning of a Graph, slow and obvious. Each op computes in double
// from operands that were rounded to their own dtype, and its result is rounded once: it is the
// judge of everything after it.
#pragma once

#include <map>
#include <string>

#include "ir/graph.h"

namespace tessera {

// `inputs` by input name; one Array per graph output, in order. Errors: a missing input, a wrong
// type, a gather index out of range, a constant without data.
Expected<std::vector<Array>> interpret(const Graph& graph,
                                       const std::map<std::string, Array>& inputs);

}  // namespace tessera
