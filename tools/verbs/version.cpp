// SPDX-License-Identifier: Apache-2.0
// tessera version: what was built, and what it chooses for this host.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "executor/jit_host.h"
#include "program/popef.h"
#include "session/key.h"
#include "tools/print/print.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

po::options_description version_flags() {
  po::options_description flags("Version");
  flags.add_options()("json", po::bool_switch(),
                      "print JSON: the build, LLVM, and what is chosen for this host");
  return flags;
}

nlohmann::ordered_json version_json() {
  const JitHost host = jit_host();
  return {
      {"schema",      "tessera-version/1"                             },
      {"version",     TESSERA_VERSION                                 },
      {"file_format", kPopefVersion                                   },
      {"compiler_id", compiler_id()                                   },
      {"build",       {{"compiler", __VERSION__}, {"llvm", host.llvm}}},
      {"host",
       {{"triple", host.triple},
        {"cpu", host.cpu},
        {"features", host.features},
        {"threads", std::thread::hardware_concurrency()}}             }
  };
}

Status do_version(const po::variables_map& flags) {
  if (flags["json"].as<bool>())
    print_json(version_json(), 2);
  else
    print("tessera {} (file format {})\n", TESSERA_VERSION, kPopefVersion);
  return {};
}

}  // namespace

Verb version_verb() {
  return {"print the version; with --json, of what it was built and for which host",
          "[--json]",
          "tessera version",
          version_flags,
          nullptr,
          do_version};
}

}  // namespace tessera::tools
