// SPDX-License-Identifier: Apache-2.0
// The table of verbs.
#include "tools/verb.h"

namespace tessera::tools {

std::vector<Verb> all_verbs() {
  return {check_verb(),      compile_verb(), run_verb(),     bench_verb(),    inspect_verb(),
          recompiles_verb(), report_verb(),  convert_verb(), quantize_verb(), make_model_verb(),
          requests_verb(),   pack_verb(),    sweep_verb(),   text_verb(),     serve_verb(),
          trace_verb(),      verify_verb(),  sign_verb(),    keygen_verb(),   completion_verb(),
          manual_verb(),     tune_verb(),    doctor_verb(),  version_verb()};
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
