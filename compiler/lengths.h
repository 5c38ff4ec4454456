// SPDX-License-Identifier: Apache-2.0
// Whether a model computes the same at every row length.
//
// Shapes are settled at import, and with them the numbers that an exporter's graph makes of shapes:
// a mean over the row divides by its length. Such a number is right for requests of one length and
// wrong for shorter ones that are padded or packed. Nothing in the imported graph shows where a
// constant came from, so the model is imported a second time, at another length, and compared.
#pragma once

#include <string>

#include "compiler/onnx/import/import.h"
#include "compiler/options.h"
#include "ir/graph.h"
#include "support/expected.h"

namespace tessera {

// "node 'NAME' (op): uses a number that the row length makes (16 at 16 tokens, 15 at 15), …", or
// "" where there is none. `graph` is what
// an import of `model` gave, before any pass. A model that is of one
// length alone has nothing to compare with, and "" too. Errors: a deadline.
Expected<std::string> number_of_length(const Graph& graph, const OpenModel& model,
                                       const CompileOptions& options, bool is_packed,
                                       const Deadline& deadline);
// The same of the number of rows: what it makes differs for a request that is alone in its batch.
Expected<std::string> number_of_rows(const Graph& graph, const OpenModel& model,
                                     const CompileOptions& options, const Deadline& deadline);

}  // namespace tessera
