// SPDX-License-Identifier: Apache-2.0
// tessera version.
#include <fmt/format.h>

#include "program/popef.h"
#include "tools/print.h"
#include "tools/verb.h"

namespace tessera::tools {
namespace {

po::options_description flags() { return po::options_description("Version"); }

Status run(const po::variables_map&) {
  print("tessera {} (file format {})\n", TESSERA_VERSION, kPopefVersion);
  return {};
}

}  // namespace

Verb version_verb() {
  return {"version", "print the version", "", "tessera version", flags, nullptr, run};
}

}  // namespace tessera::tools
