// SPDX-License-Identifier: Apache-2.0
// Executables on disk, shared by many processes. An entry is an executable file and the record of
// its key. It is data, never machine code; every read checks its digests and runs the program
// verifier.
//
//   FOLDER/v1/entries/KEY/{executable.popef,key.json}    KEY: the key's SHA-256
//   FOLDER/v1/writing/KEY/     being written by the holder of KEY's lock
//   FOLDER/v1/locks/KEY        held by the process that compiles KEY
//   FOLDER/v1/set_aside/KEY    an entry that could not be used, for its owner to look at
//   FOLDER/v1/evicted/KEY      an empty file: there was such an entry
//
// An entry appears whole, by one rename. It is not flushed to the disk: if the host loses power
// before that, the digests show the damage, as they show any other. The time of modification of an
// entry is that of its last use. When the folder holds more than its limit, the least recently used
// entries are removed.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "program/popef.h"
#include "session/key.h"
#include "session/key_lock.h"
#include "session/key_record.h"
#include "support/expected.h"
#include "support/private_folder.h"

namespace tessera {

struct DiskLookup {
  enum class Outcome : uint8_t {
    Hit,
    Miss,      // there is no entry
    Rejected,  // there is one that cannot be used by anybody
    Refused    // reading it takes more than the reader's limits; another reader's may be higher
  };
  Outcome outcome = Outcome::Miss;
  std::optional<Cause> cause;            // of a miss, if known: evicted; of an entry rejected
  std::optional<Executable> executable;  // of a hit
  KeyRecord record;                      // of a hit
  std::string reason;                    // why an entry is rejected or refused
};

struct DiskUsage {
  int64_t entries = 0, bytes = 0;  // bytes include the entries that were set aside
};

struct StoredEntry {
  int64_t bytes = 0;               // of the executable file
  std::vector<KeyRecord> evicted;  // entries that were removed to make room for it
};

// Thread-safe, and safe between processes: everything goes through the folder.
class DiskCache {
 public:
  // Makes the folder, for its owner alone, if it is missing. A folder that another user owns, can
  // write to or could replace is a BadFile error; a folder that the system refuses to make or open
  // is Failed (support/private_folder.h).
  static Expected<std::unique_ptr<DiskCache>> open(const std::string& folder, int64_t limit_bytes);

  // Marks a hit as used. An entry is verified like any file, within `limits`.
  DiskLookup find(const ExecutableKey& key, const Limits& limits = {}) const;
  // To be held while a key is compiled and stored. Other processes that want the same key wait here
  // and find the entry afterwards.
  Expected<KeyLock> lock(const ExecutableKey& key, std::chrono::milliseconds patience) const;
  // For set_aside and store, the caller holds the key's lock.
  void set_aside(const ExecutableKey& key) const;
  // Fills in the size and SHA-256 of the executable in the record. Errors (a full disk, an
  // executable larger than the limit) leave the cache as it was.
  Expected<StoredEntry> store(KeyRecord record, Executable& executable) const;

  // Records of all entries that can be read, in the order of their keys.
  std::vector<KeyRecord> records() const;
  DiskUsage usage() const;
  const std::string& folder() const { return top_.path(); }

 private:
  DiskCache(PrivateFolder top, PrivateFolder entries, PrivateFolder writing, PrivateFolder locks,
            PrivateFolder aside, PrivateFolder evicted, int64_t limit)
      : top_(std::move(top)),
        entries_(std::move(entries)),
        writing_(std::move(writing)),
        locks_(std::move(locks)),
        aside_(std::move(aside)),
        evicted_(std::move(evicted)),
        limit_(limit) {}
  Status write_files(KeyRecord& record, Executable& executable, const PrivateFolder& entry) const;
  Status write_entry(KeyRecord& record, Executable& executable) const;
  void sweep() const;
  std::vector<KeyRecord> evict(const std::string& keep) const;

  PrivateFolder top_, entries_, writing_, locks_, aside_, evicted_;
  int64_t limit_;
};

}  // namespace tessera
