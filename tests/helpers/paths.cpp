// SPDX-License-Identifier: Apache-2.0
#include "tests/helpers/paths.h"

#include <cstdlib>

namespace tessera::test {

std::string source_dir() { return TESSERA_SOURCE_DIR; }
std::string build_dir() { return TESSERA_BUILD_DIR; }

std::filesystem::path shared_dir() {
  const char* given = std::getenv("TESSERA_SHARED");
  return given ? std::filesystem::path(given)
               : std::filesystem::path(source_dir()).parent_path() / "shared";
}

}  // namespace tessera::test
