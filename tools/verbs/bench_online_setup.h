// SPDX-License-Identifier: Apache-2.0
// The setup of an online bench, read from its flags.
#pragma once

#include "serving/online_bench.h"
#include "support/expected.h"
#include "tools/flags/program_options.h"

namespace tessera::tools {

po::options_description online_setup_flags();
Expected<OnlineSetup> setup_of(const po::variables_map& flags);

}  // namespace tessera::tools
