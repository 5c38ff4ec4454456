// SPDX-License-Identifier: Apache-2.0
// Flags that several verbs share, and what they say.
#pragma once

#include <string>
#include <vector>

#include "compiler/options.h"
#include "executor/machine.h"
#include "support/expected.h"
#include "support/limits.h"
#include "tools/flags/program_options.h"

namespace tessera::tools {

// Flags of everything that compiles, in PopRT's spelling, and what they say.
po::options_description compile_flags();
Expected<CompileOptions> compile_options(const po::variables_map& flags);
// Flags of everything that runs: threads, machine.
po::options_description machine_flags();
Expected<MachineOptions> machine_options(const po::variables_map& flags);
// --limit, beside either; its values over the defaults, and the defaults where a verb has no such
// flag. Both of the above take it.
po::options_description limit_flags();
Expected<Limits> limits_of(const po::variables_map& flags);
// "input_ids=16,256" …
Expected<InputShapes> parse_shapes(const std::vector<std::string>& words);

}  // namespace tessera::tools
