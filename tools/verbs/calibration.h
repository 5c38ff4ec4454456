// SPDX-License-Identifier: Apache-2.0
// Flags that calibrate fp8 by data before a model is compiled, in PopRT's spellings.
#pragma once

#include <string>

#include "compiler/options.h"
#include "support/expected.h"
#include "tools/flags/program_options.h"

namespace tessera::tools {

po::options_description calibration_flags();

// Options after calibration, where the flags ask for it, else as they are. Prints, with
// --precision_compare, a line for each matmul. Usage errors: data that is missing, a loss that is
// not known, flags of calibration without it.
Expected<CompileOptions> calibrated(const po::variables_map& flags, const std::string& model,
                                    CompileOptions options);

}  // namespace tessera::tools
