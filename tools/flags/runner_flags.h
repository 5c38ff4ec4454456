// SPDX-License-Identifier: Apache-2.0
// A PackRunner's options as flags: the rows of serving/runner_options.def.
#pragma once

#include <functional>
#include <string>

#include "serving/runner_options.h"
#include "support/expected.h"
#include "tools/flags/program_options.h"

namespace tessera::tools {

inline constexpr int64_t kMostMicroseconds = int64_t{3600} * 24 * 365 * 1'000'000;  // a year

using IsRunnerFlag = std::function<bool(const RunnerOptionRow&)>;

// A flag of each row for which `is_flag`; times are given in microseconds.
void add_runner_flags(po::options_description& flags, const IsRunnerFlag& is_flag);
// Sets the options of the flags that were given. Usage errors begin with the flag.
Status set_runner_options(const po::variables_map& flags, RunnerOptions& options);

// Whole numbers of flags within bounds, as Usage errors say.
Expected<int64_t> number_flag(const po::variables_map& flags, const char* name, int64_t least,
                              int64_t most);
Expected<Time> microseconds_flag(const po::variables_map& flags, const char* name);

}  // namespace tessera::tools
