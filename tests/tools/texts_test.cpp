// SPDX-License-Identifier: Apache-2.0
// The words of the verbs, one by one, as they were when somebody last read them
// (tests/tools/texts/*.txt).
#include <gtest/gtest.h>

#include <regex>

#include "tests/helpers/golden.h"
#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

// Versions and hashes differ from build to build.
std::string without_hashes(const std::string& text) {
  static const std::regex version(R"re(\d+\.\d+\.\d+\+[0-9a-f]{16})re"),
      hash(R"re(\b[0-9a-f]{16,64})re");
  return std::regex_replace(std::regex_replace(text, version, "VERSION"), hash, "HASH");
}

TEST(Texts, help_of_every_verb) {
  check_text_golden("tools/texts/help.txt", tessera({"--help"}).out);
  for (const std::string& verb : verbs())
    check_text_golden("tools/texts/help_" + verb + ".txt", tessera({verb, "--help"}).out);
}

TEST(Texts, what_inspect_shows) {
  for (const std::string view :
       {"supersteps", "cycles", "ops", "memory", "liveness", "blobs", "program"})
    check_text_golden("tools/texts/inspect_" + view + ".txt",
                      without_hashes(tessera({"inspect", packed_executable(), "--" + view}).out));
  for (const std::string picture : {"tiles", "supersteps", "memory"})
    check_text_golden(
        "tools/texts/inspect_picture_" + picture + ".txt",
        tessera_in({.unset = {"COLUMNS"}}, {"inspect", packed_executable(), "--picture", picture})
            .out);
}

}  // namespace
}  // namespace tessera::cli
