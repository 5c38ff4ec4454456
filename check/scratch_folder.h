// SPDX-License-Identifier: Apache-2.0
// A folder for the files of one piece of work, in $TMPDIR or /tmp: of this process alone, and
// removed with it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace tessera {

class ScratchFolder {
 public:
  ScratchFolder() {
    const char* place = std::getenv("TMPDIR");
    std::string name = std::string(place && *place ? place : "/tmp") + "/tessera.check.XXXXXX";
    if (mkdtemp(name.data())) path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }  // "" where it could not be made

 private:
  std::string path_;
};

}  // namespace tessera
