// SPDX-License-Identifier: Apache-2.0
#include "session/disk_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "codelets/codelet.h"
#include "program/popef.h"
#include "program/read_popef.h"
#include "program/write_popef.h"
#include "support/file.h"
#include "support/temporary.h"

namespace tessera {
namespace {

using Aged = PrivateFolder::Entry;

constexpr size_t kMostRemembered = 1024;  // evicted keys
constexpr size_t kMostSetAside = 8;
constexpr const char *kRecord = "key.json", *kExecutable = "executable.popef";
constexpr mode_t kOwnersAlone = S_IRUSR | S_IWUSR;

Expected<KeyRecord> read_record(const Descriptor& file, const std::string& path) {
  constexpr size_t kLargestRecord = size_t{1} << 20;
  return parse_record(TRY(read_text(file.get(), path, kLargestRecord)));
}

Expected<KeyRecord> read_record(const PrivateFolder& entries, const std::string& name) {
  const PrivateFolder entry = TRY(entries.existing(name));
  return read_record(TRY(entry.open_file(kRecord)), entry.path_of(kRecord));
}

// The open files of an entry. Their folder was checked; their bytes are still to be verified.
struct Files {
  Descriptor record, executable;
};

Expected<DiskLookup> read_entry(const PrivateFolder& entry, const Files& files,
                                const ExecutableKey& key, const Limits& limits) {
  DiskLookup found;
  found.record = TRY(read_record(files.record, entry.path_of(kRecord)));
  if (found.record.key != key)
    return Error{"key record: is of the key " + found.record.key.digests.total + ", must be of " +
                     key.digests.total,
                 ErrorKind::BadFile};
  const std::string path = entry.path_of(kExecutable);
  PopefFile file;
  file.path = path;
  file.file = TRY(MappedFile::map(files.executable.get(), path));
  found.executable = TRY(read_popef(file, check_compute_set, limits));
  if (found.executable->sha256 != found.record.executable_sha256)
    return Error{"executable.popef: has the SHA-256 " + found.executable->sha256 +
                     ", must have that of its record, " + found.record.executable_sha256,
                 ErrorKind::BadFile};
  found.outcome = DiskLookup::Outcome::Hit;
  return found;
}

Expected<Files> open_files(const PrivateFolder& entry) {
  Descriptor record = TRY(entry.open_file(kRecord));
  return Files{std::move(record), TRY(entry.open_file(kExecutable))};
}

DiskLookup rejected(Cause cause, const Error& error) {
  DiskLookup found;
  found.outcome = DiskLookup::Outcome::Rejected;
  found.cause = cause;
  found.reason = error.message;
  return found;
}

DiskLookup look_at(const PrivateFolder& entry, const ExecutableKey& key, const Limits& limits) {
  const Expected<Files> files = open_files(entry);
  if (!files.ok()) return rejected(Cause::Untrusted, files.error());
  Expected<DiskLookup> found = read_entry(entry, *files, key, limits);
  if (found.ok()) return found.take();
  if (found.error().kind != ErrorKind::Refused) return rejected(Cause::Corrupt, found.error());
  DiskLookup refused;
  refused.outcome = DiskLookup::Outcome::Refused;
  refused.reason = found.error().message;
  return refused;
}

}  // namespace

Expected<std::unique_ptr<DiskCache>> DiskCache::open(const std::string& folder,
                                                     int64_t limit_bytes) {
  const PrivateFolder outer = TRY(PrivateFolder::open(folder));
  PrivateFolder top = TRY(outer.make("v1"));
  PrivateFolder entries = TRY(top.make("entries")), writing = TRY(top.make("writing")),
                locks = TRY(top.make("locks")), aside = TRY(top.make("set_aside")),
                evicted = TRY(top.make("evicted"));
  return std::unique_ptr<DiskCache>(
      new DiskCache(std::move(top), std::move(entries), std::move(writing), std::move(locks),
                    std::move(aside), std::move(evicted), limit_bytes));
}

DiskLookup DiskCache::find(const ExecutableKey& key, const Limits& limits) const {
  constexpr int kMostTries = 16;  // each but the last is one that another process overtook
  const std::string& name = key.digests.total;
  DiskLookup missing;
  if (evicted_.has(name)) missing.cause = Cause::Evicted;
  for (int tries = 0; tries < kMostTries && entries_.has(name); ++tries) {
    const Expected<PrivateFolder> entry = entries_.existing(name);
    if (!entry.ok() && entry.error().type == kNoSuchFile) continue;
    DiskLookup found =
        entry.ok() ? look_at(*entry, key, limits) : rejected(Cause::Untrusted, entry.error());
    if (found.outcome == DiskLookup::Outcome::Hit) {
      ::futimens(entry->descriptor(), nullptr);  // used now
      return found;
    }
    // An entry that left while it was read was evicted, not damaged. Another may stand there now.
    if (!entry.ok() || entries_.holds(name, *entry)) return found;
  }
  return missing;
}

Expected<KeyLock> DiskCache::lock(const ExecutableKey& key,
                                  std::chrono::milliseconds patience) const {
  return KeyLock::take(locks_, key.digests.total, patience);
}

void DiskCache::set_aside(const ExecutableKey& key) const {
  const std::string& name = key.digests.total;
  aside_.remove(name);
  if (!entries_.move(name, aside_, name)) entries_.remove(name);
  const std::vector<Aged> all = aside_.by_age();
  for (size_t i = 0; i + kMostSetAside < all.size(); ++i) aside_.remove(all[i].name);
}

Status DiskCache::write_files(KeyRecord& record, Executable& executable,
                              const PrivateFolder& entry) const {
  const RemovedBySignal removed[] = {
      {entry.descriptor(), kExecutable},
      {entry.descriptor(), kRecord    }
  };
  record.executable_bytes =
      static_cast<int64_t>(TRY(write_popef_in(executable, entry.descriptor(), kExecutable,
                                              entry.path_of(kExecutable), Sync::No, kOwnersAlone)));
  record.executable_sha256 = executable.sha256;
  if (record.executable_bytes > limit_)
    return Error{folder() + ": the executable has " + std::to_string(record.executable_bytes) +
                 " bytes, must have at most the cache's limit of " + std::to_string(limit_)};
  const std::string text = to_text(record);
  return write_file_atomic_in(
      entry.descriptor(), kRecord, entry.path_of(kRecord),
      [&](const Sink& sink) { return sink(std::as_bytes(std::span(text))); }, Sync::No,
      kOwnersAlone);
}

Status DiskCache::write_entry(KeyRecord& record, Executable& executable) const {
  const std::string& name = record.key.digests.total;
  writing_.remove(name);  // a killed owner of the lock may have left it
  const RemovedBySignal removed(writing_.descriptor(), name, RemovedBySignal::Kind::Folder);
  const auto write = [&]() -> Status {
    const PrivateFolder entry = TRY(writing_.make(name));
    TRY(write_files(record, executable, entry));
    if (!writing_.move(name, entries_, name))
      return system_error(entries_.path_of(name), "cannot be put in place");
    return {};
  };
  Status written = write();
  if (!written.ok()) writing_.remove(name);
  return written;
}

Expected<StoredEntry> DiskCache::store(KeyRecord record, Executable& executable) const {
  TRY(write_entry(record, executable));
  evicted_.remove(record.key.digests.total);
  return StoredEntry{record.executable_bytes, evict(record.key.digests.total)};
}

// Removes what killed processes left half written or half removed.
void DiskCache::sweep() const {
  for (const Aged& left : writing_.by_age()) {
    // An entry that is being removed belongs to the holder of the lock "evicting": this process.
    if (left.name.ends_with(".evicted") || KeyLock::try_take(locks_, left.name).has_value())
      writing_.remove(left.name);
  }
}

// One process at a time evicts, so that two do not both make room. A process that does not get the
// lock leaves it to the one that has it.
std::vector<KeyRecord> DiskCache::evict(const std::string& keep) const {
  std::vector<KeyRecord> gone;
  const std::optional<KeyLock> evicting = KeyLock::try_take(top_, "evicting");
  if (!evicting) return gone;
  sweep();
  int64_t bytes = usage().bytes;
  for (const Aged& old : aside_.by_age()) {
    if (bytes <= limit_) break;
    aside_.remove(old.name);
    bytes -= old.bytes;
  }
  for (const Aged& old : entries_.by_age()) {
    if (bytes <= limit_) break;
    if (old.name == keep) continue;
    Expected<KeyRecord> record = read_record(entries_, old.name);
    // The rename hides it at once. A process that has it open keeps its mapping.
    const std::string leaving = old.name + ".evicted";
    if (!entries_.move(old.name, writing_, leaving)) continue;
    writing_.remove(leaving);
    bytes -= old.bytes;
    if (!record.ok()) continue;
    const Status remembered = write_file_atomic_in(
        evicted_.descriptor(), old.name, evicted_.path_of(old.name),
        [](const Sink&) { return Status(); }, Sync::No, kOwnersAlone);
    (void)remembered;  // if this failed, the next compile of the key has another cause
    gone.push_back(record.take());
  }
  const std::vector<Aged> names = evicted_.by_age();
  for (size_t i = 0; i + kMostRemembered < names.size(); ++i) evicted_.remove(names[i].name);
  return gone;
}

std::vector<KeyRecord> DiskCache::records() const {
  std::vector<Aged> entries = entries_.by_age();
  std::ranges::sort(entries, {}, &Aged::name);
  std::vector<KeyRecord> records;
  for (const Aged& entry : entries)
    if (auto record = read_record(entries_, entry.name); record.ok())
      records.push_back(record.take());
  return records;
}

DiskUsage DiskCache::usage() const {
  DiskUsage usage;
  for (const Aged& entry : entries_.by_age()) {
    ++usage.entries;
    usage.bytes += entry.bytes;
  }
  for (const Aged& aside : aside_.by_age()) usage.bytes += aside.bytes;
  return usage;
}

}  // namespace tessera
