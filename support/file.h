// SPDX-License-Identifier: Apache-2.0
// Files, whole: read, mapped, or written so that a reader sees the old content or the new and
// never a part. Errors say the path and the system's reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "support/expected.h"
#include "support/fault.h"

namespace tessera {

// Read-only mapping between pages that nobody may touch; bytes live as long as any copy of the
// pointer. What another process cuts off the file meanwhile reads as zeros, and check says so.
class MappedFile {
 public:
  // Errors: missing, not a regular file, unreadable.
  static Expected<std::shared_ptr<const MappedFile>> open(const std::string& path);
  // Of an open descriptor, which stays the caller's; `path` is for messages.
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
  std::optional<WatchedMapping> watched_;
};

// Refuses more than `limit` bytes.
Expected<std::string> read_text_file(const std::string& path, size_t limit = size_t{1} << 30);

// Whether a file is on the disk when its writer goes on. Without that, a host that loses its power
// may leave a part of it: for files that say so themselves, and that can be made again.
enum class Sync : uint8_t { Yes, No };

// Writes to a temporary file in the same folder, syncs unless told not to, renames over `path`.
// `write` is called with a sink that fails on a full disk; on any failure the temporary file goes
// and `path` stays.
using Sink = std::function<Status(std::span<const std::byte>)>;
Status write_file_atomic(const std::string& path, const std::function<Status(const Sink&)>& write,
                         Sync sync = Sync::Yes);
Status write_file_atomic(const std::string& path, std::string_view text, Sync sync = Sync::Yes);
// One whole line at the end, in one write, made for several writers at once.
Status append_line(const std::string& path, std::string_view line);

}  // namespace tessera
