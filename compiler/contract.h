// SPDX-License-Identifier: Apache-2.0
// The packing contract of a converted Graph: which inputs and outputs carry what, and how much of a
// batch one request takes.
#pragma once

#include <string>

#include "ir/graph.h"
#include "passes/pipeline.h"
#include "program/packing_contract.h"
#include "support/expected.h"

namespace tessera {

// `text` is the contract that convert left in the model, "" in others. `of_length` and `of_rows`
// say which numbers of the graph were computed from the length of a row and from the number of
// rows, "" where none was: such a model is not packed, and its batches are not padded.
Expected<PackingContract> contract_of(const Graph& graph, const PassState& state,
                                      const std::string& text, const std::string& of_length,
                                      const std::string& of_rows);

}  // namespace tessera
