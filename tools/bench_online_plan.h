// SPDX-License-Identifier: Apache-2.0
// The plan of an online bench, read from its flags.
#pragma once

#include "serving/online_bench.h"
#include "tools/verb.h"

namespace tessera::tools {

po::options_description online_plan_flags();
Expected<OnlinePlan> plan_of(const po::variables_map& flags);

}  // namespace tessera::tools
