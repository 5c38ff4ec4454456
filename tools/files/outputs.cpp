// SPDX-License-Identifier: Apache-2.0
#include "tools/files/outputs.h"

#include <unistd.h>

#include <filesystem>

#include "support/file.h"

namespace tessera::tools {
namespace fs = std::filesystem;
namespace {

Status check_writable(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder, error))
    return Error{folder.string() + ": is not there, must be a folder to write to"};
  if (!fs::is_directory(folder, error))
    return Error{folder.string() + ": is not a folder, must be one to write to"};
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    return system_error(folder.string(), "cannot write there");
  return {};
}

// The folder that holds the path.
fs::path parent_of(const fs::path& path) {
  const fs::path parent = path.parent_path();
  return parent.empty() ? "." : parent;
}

}  // namespace

Status check_output_file(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return Error{path + ": is a folder, must be a file to write"};
  return check_writable(parent_of(path));
}

Status check_output_folder(const std::string& path) {
  if (path.empty()) return {};
  std::error_code error;
  fs::path there = fs::absolute(path, error).lexically_normal();
  while (!fs::exists(there, error) && there != parent_of(there)) there = parent_of(there);
  return check_writable(there);
}

}  // namespace tessera::tools
