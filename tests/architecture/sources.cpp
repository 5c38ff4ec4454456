// SPDX-License-Identifier: Apache-2.0
#include "tests/architecture/sources.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/helpers/paths.h"

namespace tessera::test {

namespace fs = std::filesystem;

std::set<std::string> built_folders() {
  std::set<std::string> folders;
  for (const auto& entry : fs::directory_iterator(source_dir()))
    if (fs::exists(entry.path() / "CMakeLists.txt")) folders.insert(entry.path().filename());
  return folders;
}

void for_each_source(const std::set<std::string>& folders,
                     const std::function<void(const std::string&, const std::string&)>& see) {
  const fs::path root = source_dir();
  for (const std::string& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".cpp" && extension != ".h") continue;
      std::ifstream file(entry.path());
      std::stringstream source;
      source << file.rdbuf();
      see(fs::relative(entry.path(), root), source.str());
    }
  }
}

}  // namespace tessera::test
