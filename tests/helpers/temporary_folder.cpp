// SPDX-License-Identifier: Apache-2.0
#include "tests/helpers/temporary_folder.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace tessera {

void TemporaryFolder::SetUp() {
  std::string pattern = ::testing::TempDir() + "/tessera.XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
}

void TemporaryFolder::TearDown() { std::filesystem::remove_all(folder_); }

std::vector<std::string> TemporaryFolder::files() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_))
    names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

}  // namespace tessera
