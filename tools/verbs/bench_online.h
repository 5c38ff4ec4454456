// SPDX-License-Identifier: Apache-2.0
// tessera bench --online: requests that come at their times, through the online packer.
#pragma once

#include "support/expected.h"
#include "tools/flags/program_options.h"

namespace tessera::tools {

po::options_description online_flags();
// Usage error where one of the flags above is given and --online is not.
Status refuse_online_flags(const po::variables_map& flags);
// With the flags of `bench` and machine_flags too.
Status bench_online(const po::variables_map& flags);

}  // namespace tessera::tools
