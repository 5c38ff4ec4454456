// SPDX-License-Identifier: Apache-2.0
// The command line as a table: a verb is a row of verbs.def, its flags and a function, which reads
// flags and files, calls the libraries and prints. The other sources of this folder are parts of
// verbs: flags that several share, the tables and pictures that they print, and the runs of their
// batches and requests.
#pragma once

#include <string>
#include <vector>

#include "support/expected.h"
#include "tools/flags/program_options.h"

namespace tessera::tools {

struct Verb {
  const char* summary;  // one line
  const char* usage;    // after "tessera NAME"
  const char* example;  // a whole command line
  po::options_description (*flags)();
  const char* positional;  // flag that bare words go to
  Status (*run)(const po::variables_map& flags);
  bool in_python = false;  // carried out by tools/verbs/in_python.h in place of `run`
  // The first bare word is one of these, of a verb that is several commands …
  std::vector<std::string> commands = {};
  bool or_a_file = false;      // … or a file's name
  const char* name = nullptr;  // the word of its row, which all_verbs fills in
};

#define VERB(name, ...) Verb name##_verb();
#include "tools/verbs/verbs.def"
#undef VERB

// Every verb, in the order in which help lists them.
std::vector<Verb> all_verbs();
// Its flags, and those that every verb has.
po::options_description all_flags(const Verb& verb);

}  // namespace tessera::tools
