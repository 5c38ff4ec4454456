// SPDX-License-Identifier: Apache-2.0
// The installed headers are those that <tessera/tessera.h> needs, and no others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>

#include "tests/helpers/paths.h"

namespace fs = std::filesystem;

namespace {

const fs::path kRoot = tessera::test::source_dir();

void collect(const std::string& header, std::set<std::string>& headers) {
  static const std::regex pattern(R"re(^\s*#\s*include\s*"([^"]+)")re");
  if (!fs::exists(kRoot / header) || !headers.insert(header).second) return;
  std::ifstream file(kRoot / header);
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (std::regex_search(line, match, pattern)) collect(match[1], headers);
  }
}

TEST(PublicHeaders, are_those_that_the_umbrella_needs) {
  std::set<std::string> needed, installed;
  collect("tessera.h", needed);
  std::ifstream list(kRoot / "cmake/public_headers.cmake");
  const std::regex name(R"re(^  ([a-z/_0-9]+\.(h|def))$)re");
  for (std::string line; std::getline(list, line);) {
    std::smatch match;
    if (std::regex_match(line, match, name)) installed.insert(match[1]);
  }
  EXPECT_THAT(installed, ::testing::ContainerEq(needed));
}

// docs/decisions/0020-public-headers.md: each more is a promise.
TEST(PublicHeaders, are_few) {
  std::set<std::string> needed;
  collect("tessera.h", needed);
  EXPECT_LE(needed.size(), 34u);
}

TEST(PublicHeaders, include_nothing_that_is_not_installed) {
  std::set<std::string> needed;
  collect("tessera.h", needed);
  for (const std::string& header : needed) {
    std::ifstream file(kRoot / header);
    for (std::string line; std::getline(file, line);)
      EXPECT_EQ(line.find("pb.h"), std::string::npos) << header << ": " << line;
  }
}

}  // namespace
