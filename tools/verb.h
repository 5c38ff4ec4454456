// SPDX-License-Identifier: Apache-2.0
// The command line as a table: a verb is a row, its flags and a function. Everything thin; what a
// verb does is in the libraries.
#pragma once

#include <boost/program_options.hpp>
#include <span>
#include <string>
#include <vector>

#include "compiler/options.h"
#include "support/expected.h"

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
};

Verb compile_verb();
Verb run_verb();
Verb bench_verb();
Verb inspect_verb();
Verb recompiles_verb();
Verb convert_verb();
Verb make_model_verb();
Verb pack_verb();
Verb version_verb();

// Flags of everything that compiles, in PopRT's spelling, and what they say.
po::options_description compile_flags();
Expected<CompileOptions> compile_options(const po::variables_map& flags);
// Flags of everything that runs: threads, machine.
po::options_description machine_flags();
// "input_ids=16,256" …
Expected<std::map<std::string, Shape>> parse_shapes(const std::vector<std::string>& words);

// One line on stderr that is rewritten, if stderr is a terminal; else nothing.
class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();  // clears the line
  void step(const std::string& now);

 private:
  std::string what_;
  bool terminal_;
  double start_;
};

// A line on stderr. One that cannot be written is lost: it is no reason to stop.
void say(const std::string& line);

double now_seconds();                       // a clock that only moves forward
std::string human_bytes(int64_t bytes);     // "1.2 MiB"
std::string human_seconds(double seconds);  // "3.32 ms"
std::string human_count(int64_t count);     // "12,345,678"

}  // namespace tessera::tools
