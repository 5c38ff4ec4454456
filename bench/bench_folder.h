// SPDX-License-Identifier: Apache-2.0
// A folder for a bench's models and executables, which goes when the bench ends.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace tessera {

class BenchFolder {
 public:
  explicit BenchFolder(const std::string& name) {
    std::string pattern = std::filesystem::temp_directory_path().string() + "/" + name + ".XXXXXX";
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  BenchFolder(const BenchFolder&) = delete;
  ~BenchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }  // "" where none could be made

 private:
  std::string path_;
};

}  // namespace tessera
