// SPDX-License-Identifier: Apache-2.0
// Files, whole: read, mapped, or written so that a reader sees the old content or the new and
// never a part. Errors say the path and the system's reason. Only regular files are read: a
// pipe, a terminal or a device could keep a reader waiting for ever, or never end.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/descriptor.h"
#include "support/expected.h"
#include "support/fault.h"

namespace tessera {

// Error::type where a file is not there.
inline constexpr std::string_view kNoSuchFile = "no_such_file";

// "PATH: DOING: …", with the words for errno; of type kNoSuchFile where that is ENOENT.
Error system_error(const std::string& path, const char* doing);

// Read-only mapping between pages that nobody may touch; bytes live as long as any copy of the
// pointer. Bytes that another process cuts off the file meanwhile read as zeros, and check says so.
class MappedFile {
 public:
  // Errors: missing, not a regular file, unreadable.
  static Expected<std::shared_ptr<const MappedFile>> open(const std::string& path);
  // Maps an open descriptor, which stays the caller's; `path` is for messages.
  static Expected<std::shared_ptr<const MappedFile>> map(int descriptor, const std::string& path);
  // A copy in memory of its own, read once: what is done to the file later is not seen.
  // Refuses more than `limit` bytes.
  static Expected<std::shared_ptr<const MappedFile>> copy(const std::string& path, size_t limit);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // To ask once bytes have been read and before they are believed. Error: some were not there.
  Status check() const;

 private:
  MappedFile(std::string path, const std::byte* data, size_t size);
  std::string path_;
  const std::byte* data_;
  size_t size_;
  std::optional<WatchedMapping> watched_;  // not of a copy
};

// Refuses more than `limit` bytes.
Expected<std::string> read_text_file(const std::string& path, size_t limit = size_t{1} << 30);
// Reads an open descriptor; `path` is for messages.
Expected<std::string> read_text(int descriptor, const std::string& path, size_t limit);

// Whether a file is on the disk when its writer goes on. Without that, a host that loses its power
// may leave a part of it: for files that say so themselves, and that can be made again.
enum class Sync : uint8_t { Yes, No };

// Writes to a temporary file in the same folder, syncs unless told not to, renames over `path`.
// `write` is called with a sink that fails on a full disk; on any failure the temporary file goes
// (support/temporary.h) and `path` stays.
using Sink = std::function<Status(std::span<const std::byte>)>;
using WriteContent = std::function<Status(const Sink&)>;
Status write_file_atomic(const std::string& path, const WriteContent& write, Sync sync = Sync::Yes);
// The same in an open folder; `path` is for messages.
Status write_file_atomic_in(int folder, const std::string& name, const std::string& path,
                            const WriteContent& write, Sync sync, mode_t mode);
Status write_file_atomic(const std::string& path, std::string_view text, Sync sync = Sync::Yes);
// One whole line at the end, in one write, made for several writers at once. Where a writer before
// was cut off within its line (a full disk, a kill), a new line begins first.
Status append_line(const std::string& path, std::string_view line);
// A file that grows from nothing while its writer works, for a record of what goes on: whoever
// looks sees how far it came. A pipe or a device is refused, and not waited for.
class GrowingFile {
 public:
  static Expected<GrowingFile> create(const std::string& path);
  // An error is remembered, and close returns it.
  void write(std::string_view text);
  Status close();

 private:
  GrowingFile(std::string path, Descriptor file) : path_(std::move(path)), file_(std::move(file)) {}
  void flush();
  std::string path_;
  Descriptor file_;
  std::string waiting_;
  Status status_;
};
// Whether append_line could open it; makes it where it is missing.
Status check_appendable(const std::string& path);

}  // namespace tessera
