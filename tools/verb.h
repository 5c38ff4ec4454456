// SPDX-License-Identifier: Apache-2.0
// The command line as a table: a verb is a row, its flags and a function. Everything thin; what a
// verb does is in the libraries.
#pragma once

#include <boost/program_options.hpp>
#include <span>
#include <string>
#include <vector>

#include "compiler/options.h"
#include "executor/machine.h"
#include "support/expected.h"
#include "support/human.h"
#include "support/limits.h"

namespace tessera::tools {

namespace po = boost::program_options;

struct Verb {
  const char* name;
  const char* summary;  // one line
  const char* usage;    // after "tessera NAME"
  const char* example;  // a whole command line
  po::options_description (*flags)();
  const char* positional;  // flag that bare words go to
  Status (*run)(const po::variables_map& flags);
  bool in_python = false;  // carried out by tools/in_python.h in place of `run`
  // The first bare word is one of these, of a verb that is several commands …
  std::vector<std::string> commands = {};
  bool or_a_file = false;  // … or a file's name
};

Verb check_verb();
Verb compile_verb();
Verb run_verb();
Verb bench_verb();
Verb tune_verb();
Verb doctor_verb();
Verb inspect_verb();
Verb recompiles_verb();
Verb report_verb();
Verb convert_verb();
Verb quantize_verb();
Verb make_model_verb();
Verb pack_verb();
Verb requests_verb();
Verb trace_verb();
Verb serve_verb();
Verb sweep_verb();
Verb text_verb();
Verb verify_verb();
Verb sign_verb();
Verb keygen_verb();
Verb completion_verb();
Verb manual_verb();
Verb version_verb();

// Every verb, in the order in which help lists them.
std::vector<Verb> all_verbs();
// Its flags, and those that every verb has.
po::options_description all_flags(const Verb& verb);

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

// "6.81 ms a batch: 9,917,437 cycles (6.61 ms) and 200.0 us of host I/O", which nothing overlaps.
std::string human_batch_time(const CycleSummary& cycles, const Target& target);

}  // namespace tessera::tools
