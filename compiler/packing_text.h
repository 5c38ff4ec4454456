// SPDX-License-Identifier: Apache-2.0
// How a model is packed, as text: what `tessera convert` leaves in the model, so that the
// executable which is compiled from it takes requests as one compiled at once does.
#pragma once

#include <string>

#include "ir/graph.h"
#include "program/popef.h"
#include "support/expected.h"

namespace tessera {

// One line of JSON, by the contract's field names. For a model that is not packed it says why a
// request takes a whole row, and is "" if a request may take less.
std::string packing_text(const PackingContract& contract);
// The text comes from a file that may be anybody's: it must fit the graph, else BadFile.
Expected<PackingContract> parse_packing(const std::string& text, const Graph& graph);

}  // namespace tessera
