// SPDX-License-Identifier: Apache-2.0
#include "tests/helpers/test_with_folder.h"

#include <algorithm>
#include <filesystem>

namespace tessera {

std::vector<std::string> TestWithFolder::files() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
    names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

}  // namespace tessera
