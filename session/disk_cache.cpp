// SPDX-License-Identifier: Apache-2.0
#include "session/disk_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <tuple>

#include "codelets/codelet.h"
#include "support/file.h"

namespace tessera {
namespace fs = std::filesystem;
namespace {

constexpr const char* kKinds[] = {"entries", "writing", "locks", "set_aside", "evicted"};
constexpr size_t kMostRemembered = 1024;  // evicted keys
constexpr size_t kMostSetAside = 8;

// "" if only its owner, who is us, can write to it; else what is wrong.
std::string distrust(const std::string& path, mode_t kind) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0)
    return "cannot be looked at: " + std::string(std::strerror(errno));
  if ((status.st_mode & S_IFMT) != kind)
    return kind == S_IFDIR ? "is no folder, must be one and no link"
                           : "is no plain file, must be one and no link";
  if (status.st_uid != ::geteuid())
    return "is of user " + std::to_string(status.st_uid) + ", must be of user " +
           std::to_string(::geteuid()) + ", who reads it";
  if (status.st_mode & (S_IWGRP | S_IWOTH)) return "can be written to by others, must not";
  return "";
}

Status make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), S_IRWXU) == 0 || errno == EEXIST) return {};
  return Error{path + ": cannot create: " + std::strerror(errno)};
}

Status check_folder(const std::string& path) {
  const std::string wrong = distrust(path, S_IFDIR);
  if (wrong.empty()) return {};
  return Error{path + ": " + wrong, ErrorKind::BadFile};
}

void remove_all(const std::string& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

int64_t bytes_in(const std::string& folder) {
  std::error_code error;
  int64_t bytes = 0;
  for (const fs::directory_entry& file : fs::directory_iterator(folder, error)) {
    std::error_code gone;
    const auto size = file.file_size(gone);
    if (!gone) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

// What is in a folder, the longest unused first.
struct Aged {
  std::string name;
  timespec used = {};
  int64_t bytes = 0;
};
std::vector<Aged> by_age(const std::string& folder, bool with_bytes) {
  std::vector<Aged> all;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    struct stat status;
    if (::lstat(entry.path().c_str(), &status) != 0) continue;
    all.push_back(
        {entry.path().filename(), status.st_mtim, with_bytes ? bytes_in(entry.path()) : 0});
  }
  std::ranges::sort(all, [](const Aged& a, const Aged& b) {
    return std::tie(a.used.tv_sec, a.used.tv_nsec, a.name) <
           std::tie(b.used.tv_sec, b.used.tv_nsec, b.name);
  });
  return all;
}

void mark_used(const std::string& entry) { ::utimensat(AT_FDCWD, entry.c_str(), nullptr, 0); }

Expected<KeyRecord> read_record(const std::string& entry) {
  constexpr size_t kLargestRecord = size_t{1} << 20;
  return parse_record(TRY(read_text_file(entry + "/key.json", kLargestRecord)));
}

Expected<DiskLookup> read_entry(const std::string& entry, const ExecutableKey& key,
                                const Limits& limits) {
  DiskLookup found;
  found.record = TRY(read_record(entry));
  if (found.record.key != key) return Error{"key record: is of another key", ErrorKind::BadFile};
  found.executable = TRY(read_popef(entry + "/executable.popef", check_compute_set, limits));
  if (found.executable->sha256 != found.record.executable_sha256)
    return Error{"executable.popef: is another than the record says", ErrorKind::BadFile};
  found.outcome = DiskLookup::Outcome::Hit;
  return found;
}

std::string distrust_entry(const std::string& entry) {
  std::string wrong = distrust(entry, S_IFDIR);
  for (const char* file : {"key.json", "executable.popef"})
    if (wrong.empty()) wrong = distrust(entry + "/" + file, S_IFREG);
  return wrong;
}

}  // namespace

Expected<std::unique_ptr<DiskCache>> DiskCache::open(const std::string& folder,
                                                     int64_t limit_bytes) {
  std::error_code error;
  const fs::path parent = fs::absolute(folder, error).parent_path();
  fs::create_directories(parent, error);
  TRY(make_folder(folder));
  TRY(check_folder(folder));
  const std::string inner = folder + "/v1";
  TRY(make_folder(inner));
  TRY(check_folder(inner));
  for (const char* kind : kKinds) {
    TRY(make_folder(inner + "/" + kind));
    TRY(check_folder(inner + "/" + kind));
  }
  return std::unique_ptr<DiskCache>(new DiskCache(inner, limit_bytes));
}

std::string DiskCache::path(const char* kind, const ExecutableKey& key) const {
  return folder_ + "/" + kind + "/" + key.digests.total;
}

DiskLookup DiskCache::find(const ExecutableKey& key, const Limits& limits) const {
  using Outcome = DiskLookup::Outcome;
  const std::string entry = path("entries", key);
  // An entry that goes while it is read was evicted, not damaged.
  const auto is_there = [&] { return ::access(entry.c_str(), F_OK) == 0; };
  DiskLookup missing;
  missing.outcome =
      ::access(path("evicted", key).c_str(), F_OK) == 0 ? Outcome::Evicted : Outcome::Miss;
  if (!is_there()) return missing;
  if (const std::string wrong = distrust_entry(entry); !wrong.empty()) {
    if (!is_there()) return missing;
    missing.outcome = Outcome::Untrusted;
    missing.reason = entry + ": " + wrong;
    return missing;
  }
  Expected<DiskLookup> found = read_entry(entry, key, limits);
  if (found.ok()) {
    mark_used(entry);
    return found.take();
  }
  if (!is_there()) return missing;
  missing.outcome =
      found.error().kind == ErrorKind::Refused ? Outcome::Refused : Outcome::Corrupt;
  missing.reason = found.error().message;
  return missing;
}

Expected<KeyLock> DiskCache::lock(const ExecutableKey& key,
                                  std::chrono::milliseconds patience) const {
  return KeyLock::take(path("locks", key), patience);
}

void DiskCache::set_aside(const ExecutableKey& key) const {
  const std::string entry = path("entries", key), aside = path("set_aside", key);
  remove_all(aside);
  if (::rename(entry.c_str(), aside.c_str()) != 0) remove_all(entry);
  const std::vector<Aged> all = by_age(folder_ + "/set_aside", false);
  for (size_t i = 0; i + kMostSetAside < all.size(); ++i)
    remove_all(folder_ + "/set_aside/" + all[i].name);
}

Status DiskCache::write_entry(KeyRecord& record, Executable& executable) const {
  const std::string writing = path("writing", record.key), entry = path("entries", record.key);
  remove_all(writing);  // what a killed owner of the lock left
  TRY(make_folder(writing));
  const auto write = [&]() -> Status {
    record.executable_bytes =
        static_cast<int64_t>(TRY(write_popef(executable, writing + "/executable.popef", Sync::No)));
    record.executable_sha256 = executable.sha256;
    if (record.executable_bytes > limit_)
      return Error{folder_ + ": holds " + std::to_string(limit_) +
                   " bytes at most, the executable has " + std::to_string(record.executable_bytes)};
    TRY(write_file_atomic(writing + "/key.json", to_text(record), Sync::No));
    for (const char* file : {"/executable.popef", "/key.json"})
      if (::chmod((writing + file).c_str(), S_IRUSR | S_IWUSR) != 0)
        return Error{writing + file + ": cannot be made its owner's: " + std::strerror(errno)};
    if (::rename(writing.c_str(), entry.c_str()) != 0)
      return Error{entry + ": cannot be put in place: " + std::strerror(errno)};
    return {};
  };
  Status written = write();
  if (!written.ok()) remove_all(writing);
  return written;
}

Expected<StoredEntry> DiskCache::store(KeyRecord record, Executable& executable) const {
  TRY(write_entry(record, executable));
  ::unlink(path("evicted", record.key).c_str());
  return StoredEntry{record.executable_bytes, evict(record.key.digests.total)};
}

// What killed processes left half written or half removed.
void DiskCache::sweep() const {
  for (const Aged& left : by_age(folder_ + "/writing", false)) {
    // An entry on its way out belongs to whoever evicts, and that is us.
    if (left.name.ends_with(".evicted") ||
        KeyLock::try_take(folder_ + "/locks/" + left.name).has_value())
      remove_all(folder_ + "/writing/" + left.name);
  }
}

// One process at a time, so that two do not both make room. Nobody waits for it: whoever holds the
// lock makes the room.
std::vector<KeyRecord> DiskCache::evict(const std::string& keep) const {
  std::vector<KeyRecord> gone;
  const std::optional<KeyLock> evicting = KeyLock::try_take(folder_ + "/evicting");
  if (!evicting) return gone;
  sweep();
  int64_t bytes = usage().bytes;
  for (const Aged& old : by_age(folder_ + "/set_aside", true)) {
    if (bytes <= limit_) break;
    remove_all(folder_ + "/set_aside/" + old.name);
    bytes -= old.bytes;
  }
  for (const Aged& old : by_age(folder_ + "/entries", true)) {
    if (bytes <= limit_) break;
    if (old.name == keep) continue;
    const std::string entry = folder_ + "/entries/" + old.name;
    Expected<KeyRecord> record = read_record(entry);
    // Out of sight at once; whoever has it open keeps what it maps.
    const std::string leaving = folder_ + "/writing/" + old.name + ".evicted";
    if (::rename(entry.c_str(), leaving.c_str()) != 0) continue;
    remove_all(leaving);
    bytes -= old.bytes;
    if (!record.ok()) continue;
    const Status remembered = write_file_atomic(folder_ + "/evicted/" + old.name, "", Sync::No);
    (void)remembered;  // without it, the next compile of this key has another cause
    gone.push_back(record.take());
  }
  const std::vector<Aged> names = by_age(folder_ + "/evicted", false);
  for (size_t i = 0; i + kMostRemembered < names.size(); ++i)
    ::unlink((folder_ + "/evicted/" + names[i].name).c_str());
  return gone;
}

std::vector<KeyRecord> DiskCache::records() const {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_ + "/entries", error))
    names.push_back(entry.path());
  std::ranges::sort(names);
  std::vector<KeyRecord> records;
  for (const std::string& name : names)
    if (auto record = read_record(name); record.ok()) records.push_back(record.take());
  return records;
}

DiskUsage DiskCache::usage() const {
  DiskUsage usage;
  for (const Aged& entry : by_age(folder_ + "/entries", true)) {
    ++usage.entries;
    usage.bytes += entry.bytes;
  }
  for (const Aged& aside : by_age(folder_ + "/set_aside", true)) usage.bytes += aside.bytes;
  return usage;
}

}  // namespace tessera
