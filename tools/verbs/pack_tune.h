// SPDX-License-Identifier: Apache-2.0
// tessera pack tune: which shape to compile for a mix of lengths.
#pragma once

#include "support/expected.h"
#include "tools/verbs/pack_flags.h"

namespace tessera::tools {

po::options_description tune_flags();
// Costs of the shapes are the compiler's own: --input_model is compiled at each candidate, or the
// modelled cycles of --executables are read. Prints every candidate and the commands of the best.
Status run_tune(const LengthSource& source, const po::variables_map& flags);

}  // namespace tessera::tools
