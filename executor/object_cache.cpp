// SPDX-License-Identifier: Apache-2.0
#include "executor/object_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

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

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

// Nobody but this user can have written it.
bool is_ours(const struct stat& status) {
  return status.st_uid == ::geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

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

bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

std::string temporary_name(const std::string& name) {
  static std::atomic<uint64_t> next = 0;
  return name + ".tmp." + std::to_string(::getpid()) + "." + std::to_string(next++);
}

struct Entry {
  std::string name;
  int64_t bytes = 0;
  timespec used{};
};

bool used_before(const Entry& a, const Entry& b) {
  if (a.used.tv_sec != b.used.tv_sec) return a.used.tv_sec < b.used.tv_sec;
  if (a.used.tv_nsec != b.used.tv_nsec) return a.used.tv_nsec < b.used.tv_nsec;
  return a.name < b.name;
}

// Files of ours, a writer's unfinished ones among them.
std::vector<Entry> entries_of(int folder) {
  std::vector<Entry> entries;
  Descriptor again(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR* listing = again.get() < 0 ? nullptr : ::fdopendir(again.get());
  if (listing == nullptr) return entries;
  again.release();  // the listing's now
  while (const dirent* entry = ::readdir(listing)) {
    struct stat status;
    if (std::strstr(entry->d_name, kSuffix.data()) == nullptr) continue;
    if (::fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    entries.push_back({entry->d_name, status.st_size, status.st_mtim});
  }
  ::closedir(listing);
  return entries;
}

}  // namespace

std::string default_cache_folder() {
  const auto variable = [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  if (const auto folder = variable("TESSERA_OBJECT_CACHE")) return *folder;
  // XDG: a relative path is to be ignored.
  if (const auto cache = variable("XDG_CACHE_HOME"); cache && cache->starts_with('/'))
    return *cache + "/tessera/objects";
  if (const auto home = variable("HOME"); home && home->starts_with('/'))
    return *home + "/.cache/tessera/objects";
  return "";
}

Expected<std::unique_ptr<const ObjectCache>> ObjectCache::open(const std::string& folder,
                                                               int64_t limit) {
  const std::filesystem::path path(folder);
  std::error_code failed;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), failed);
  ::mkdir(folder.c_str(), 0700);  // what went wrong, opening says
  Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (descriptor.get() < 0)
    return Error{folder +
                 ": cannot open as the folder of compiled codelets: " + std::strerror(errno)};
  struct stat status;
  if (::fstat(descriptor.get(), &status) != 0 || !is_ours(status))
    return Error{folder +
                 ": other users may write to it, must be this user's alone to hold "
                 "compiled codelets"};
  return std::unique_ptr<const ObjectCache>(new ObjectCache(descriptor.release(), limit));
}

ObjectCache::~ObjectCache() { ::close(folder_); }

std::optional<std::string> ObjectCache::find(const Sha256& key) const {
  Descriptor file(
      ::openat(folder_, file_name(key).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat status;
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) return {};
  if (!S_ISREG(status.st_mode) || !is_ours(status)) return {};
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
  const std::string temporary = temporary_name(name);
  const auto write = [&] {
    const Descriptor file(::openat(folder_, temporary.c_str(),
                                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    return file.get() >= 0 &&
           write_all(file.get(), {reinterpret_cast<const char*>(&header), sizeof header}) &&
           write_all(file.get(), content) && ::fdatasync(file.get()) == 0;
  };
  if (!write() || ::renameat(folder_, temporary.c_str(), folder_, name.c_str()) != 0)
    ::unlinkat(folder_, temporary.c_str(), 0);
  trim();
}

void ObjectCache::trim() const {
  std::vector<Entry> entries = entries_of(folder_);
  int64_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.bytes;
  if (bytes <= limit_) return;
  std::sort(entries.begin(), entries.end(), used_before);
  for (const Entry& entry : entries) {
    if (bytes <= limit_) return;
    // Another process may have been faster: then it is gone all the same.
    ::unlinkat(folder_, entry.name.c_str(), 0);
    bytes -= entry.bytes;
  }
}

}  // namespace tessera
