// SPDX-License-Identifier: Apache-2.0
// The table of verbs, and the flags that all of them have.
#include "tools/verbs/verb.h"

namespace tessera::tools {

namespace {

Verb with_name(const char* name, Verb verb) {
  verb.name = name;
  return verb;
}

}  // namespace

std::vector<Verb> all_verbs() {
  return {
#define VERB(name, word, source) with_name(word, name##_verb()),
#include "tools/verbs/verbs.def"
#undef VERB
  };
}

po::options_description all_flags(const Verb& verb) {
  po::options_description flags = verb.flags();
  po::options_description general("General");
  general.add_options()(
      "progress", po::value<std::string>()->default_value("auto"),
      "how long work shows how far it is, on stderr: none, plain, bar or json; auto: "
      "a bar on a terminal")("help,h", "show this help");
  flags.add(general);
  return flags;
}

}  // namespace tessera::tools
