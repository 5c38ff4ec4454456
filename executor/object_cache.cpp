// SPDX-License-Identifier: Apache-2.0
#include "executor/object_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "support/file.h"

namespace tessera {
namespace {

constexpr std::string_view kMagic = "tessera-object-1";
constexpr std::string_view kSuffix = ".object";
// No codelet comes near it; a larger file is not one of ours.
constexpr off_t kMostBytes = off_t{64} << 20;

struct FileHeader {
  char magic[kMagic.size()];
  Sha256 digest;  // of the key and the content
};
static_assert(sizeof(FileHeader) == 48 && alignof(FileHeader) == 1);

Sha256 digest_of(const Sha256& key, std::string_view content) {
  Sha256Stream stream;
  stream.add(key);
  stream.add(std::as_bytes(std::span(content)));
  return stream.finish();
}

std::string file_name(const Sha256& key) { return to_hex(key) + std::string(kSuffix); }

std::optional<std::string> read_all(int descriptor, size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t at = 0; at < bytes;) {
    const ssize_t got = ::read(descriptor, text.data() + at, bytes - at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return {};
    at += static_cast<size_t>(got);
  }
  return text;
}

}  // namespace

Expected<std::unique_ptr<const ObjectCache>> ObjectCache::open(const std::string& folder,
                                                               int64_t limit) {
  PrivateFolder opened = TRY(PrivateFolder::open(folder));  // before there is anything to leak
  return std::unique_ptr<const ObjectCache>(new ObjectCache(std::move(opened), limit));
}

std::optional<std::string> ObjectCache::find(const Sha256& key) const {
  const Expected<Descriptor> opened = folder_.open_file(file_name(key));
  if (!opened) return {};
  const Descriptor& file = *opened;
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return {};
  if (status.st_size < static_cast<off_t>(sizeof(FileHeader)) || status.st_size > kMostBytes)
    return {};
  std::optional<std::string> text = read_all(file.get(), static_cast<size_t>(status.st_size));
  if (!text) return {};
  FileHeader header;
  std::memcpy(&header, text->data(), sizeof header);
  text->erase(0, sizeof header);
  if (std::string_view(header.magic, sizeof header.magic) != kMagic) return {};
  if (header.digest != digest_of(key, *text)) return {};
  ::futimens(file.get(), nullptr);  // used now
  return text;
}

void ObjectCache::store(const Sha256& key, std::string_view content) const {
  FileHeader header;
  std::memcpy(header.magic, kMagic.data(), sizeof header.magic);
  header.digest = digest_of(key, content);
  const std::string name = file_name(key);
  const Status written = write_file_atomic_in(
      folder_.descriptor(), name, folder_.path_of(name),
      [&](const Sink& sink) -> Status {
        TRY(sink(std::as_bytes(std::span(&header, 1))));
        return sink(std::as_bytes(std::span(content)));
      },
      Sync::Yes, S_IRUSR | S_IWUSR);
  (void)written;  // a full disk is not an error: the next load compiles again
  trim();
}

void ObjectCache::trim() const {
  std::vector<PrivateFolder::Entry> entries = folder_.by_age();
  std::erase_if(entries, [](const auto& entry) { return !entry.name.ends_with(kSuffix); });
  int64_t bytes = 0;
  for (const PrivateFolder::Entry& entry : entries) bytes += entry.bytes;
  for (const PrivateFolder::Entry& entry : entries) {
    if (bytes <= limit_) return;
    // Another process may have been faster: then it is gone all the same.
    folder_.remove(entry.name);
    bytes -= entry.bytes;
  }
}

}  // namespace tessera
