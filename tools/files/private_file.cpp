// SPDX-License-Identifier: Apache-2.0
#include "tools/files/private_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "support/descriptor.h"
#include "support/file.h"
#include "support/temporary.h"

namespace tessera::tools {
namespace fs = std::filesystem;

struct PrivateFile::Held {
  Descriptor parent, folder;
  std::string folder_name, file_name, path;
  std::optional<RemovedBySignal> folder_removed, file_removed;

  ~Held() {
    std::error_code ignored;
    if (!path.empty()) fs::remove_all(fs::path(path).parent_path(), ignored);
  }
};

PrivateFile::PrivateFile() : held_(std::make_unique<Held>()) {}
PrivateFile::~PrivateFile() = default;
const std::string& PrivateFile::path() const { return held_->path; }

Expected<std::unique_ptr<PrivateFile>> PrivateFile::create(std::string_view what,
                                                           const std::string& file_name) {
  std::error_code error;
  const fs::path temporary = fs::temp_directory_path(error);
  if (error) return Error{fmt::format("{}: no folder for its file: {}", what, error.message())};
  std::string pattern = (temporary / "tessera-XXXXXX").string();
  if (!::mkdtemp(pattern.data())) return system_error(pattern, "cannot create");
  std::unique_ptr<PrivateFile> file(new PrivateFile());
  Held& held = *file->held_;
  held.folder_name = fs::path(pattern).filename();
  held.parent = Descriptor(::open(temporary.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  held.folder = Descriptor(::open(pattern.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  held.file_name = file_name;
  held.path = pattern + "/" + file_name;
  held.folder_removed.emplace(held.parent.get(), held.folder_name, RemovedBySignal::Kind::Folder);
  held.file_removed.emplace(held.folder.get(), held.file_name);
  return file;
}

}  // namespace tessera::tools
