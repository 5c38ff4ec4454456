// SPDX-License-Identifier: Apache-2.0
// The words of a command line, before Boost parses them.
#pragma once

#include <string>
#include <vector>

#include "tools/flags/program_options.h"

namespace tessera::tools {

// The words of a command line as the parser wants them. A long flag is spelled with '_', and may be
// given with '-' in its place. A flag of an option that is true or false may stand alone, which
// says true; the parser would take a file's name behind it for its value.
std::vector<std::string> normal_words(const std::vector<std::string>& words,
                                      const po::options_description& flags);

}  // namespace tessera::tools
