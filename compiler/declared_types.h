// SPDX-License-Identifier: Apache-2.0
// The types that a model declares for its inputs and outputs. The Graph has other ones: int64 and
// integers of 8 bits are i32 there.
#pragma once

#include <map>
#include <string>

#include "ir/graph.h"
#include "support/interval.h"

namespace tessera {

using ModelDtypes = std::map<std::string, std::string>;  // by input and output: "int64", "uint8" …

// The least and the largest number of each input that is declared with 8 bits.
NamedIntervals declared_ranges(const ModelDtypes& dtypes, const Graph& graph);
// An input or output that the compiler added is declared as it is.
std::string declared_dtype(const ModelDtypes& dtypes, const std::string& name, DType dtype);

}  // namespace tessera
