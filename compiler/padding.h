// SPDX-License-Identifier: Apache-2.0
// Whether a batch may be made larger without changing its answers: rows added, and tokens at the
// end of each row that the mask hides.
#pragma once

#include <set>
#include <string>

#include "compiler/options.h"
#include "support/expected.h"

namespace tessera {

// Every input is [rows,row_length]; what the added cells hold, by input.
struct PaddingRule {
  std::string mask_input;                   // 0 in added tokens
  std::set<std::string> per_row_outputs;    // [rows,…]: only rows are cut off
  std::set<std::string> per_token_outputs;  // [rows,row_length,…]
};

// The proof is that of packing (passes/packable.h): outside attention no token sees another, and
// attention leaves out the keys whose mask is 0. Errors name what stands against it, in a user's
// words. Imports the model and runs the passes: about as long as half a compile.
//
// Not seen: a number that the exporter computed from the sequence length and put into the graph
// for all tokens alike.
Expected<PaddingRule> padding_rule(const std::string& model_path, const CompileOptions& options);

}  // namespace tessera
