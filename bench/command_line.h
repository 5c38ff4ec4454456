// SPDX-License-Identifier: Apache-2.0
// The command line of a bench: flags in, exit codes as tessera's out.
#pragma once

#include <functional>

#include "support/expected.h"
#include "tools/flags/program_options.h"

namespace tessera {

struct BenchCommand {
  const char* name;
  tools::po::options_description flags;  // without --help, which every bench has
  std::function<void()> print_help;
  std::function<Status(const tools::po::variables_map&)> run;
};

// A flag's number, if it was given; it must be at least 1.
Status set_positive(const tools::po::variables_map& map, const char* flag, int& value);

// Parses, and runs or prints help. Errors go to stderr, their kind is the exit code.
int bench_main(const BenchCommand& command, int argc, char** argv);

}  // namespace tessera
