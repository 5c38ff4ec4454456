// SPDX-License-Identifier: Apache-2.0
// What a model declares of its inputs and outputs where the Graph has another type: int64 and
// integers of 8 bits are i32 there.
#pragma once

#include <map>
#include <string>

#include "ir/graph.h"
#include "support/interval.h"

namespace tessera {

using ModelDtypes = std::map<std::string, std::string>;  // by input and output: "int64", "uint8" …

// What inputs of 8 bits hold.
NamedIntervals declared_ranges(const ModelDtypes& dtypes, const Graph& graph);
// An input or output that the compiler added is declared as it is.
std::string declared_dtype(const ModelDtypes& dtypes, const std::string& name, DType dtype);

}  // namespace tessera
