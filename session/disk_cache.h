// SPDX-License-Identifier: Apache-2.0
// Executables on disk, for many processes at once. An entry is the verified executable file and the
// record of its key; it is data, never machine code, and it is trusted only as far as its digests
// and the program verifier go.
//
//   FOLDER/v1/entries/KEY/{executable.popef,key.json}    KEY: the key's SHA-256
//   FOLDER/v1/writing/KEY/     being written; only the holder of KEY's lock does
//   FOLDER/v1/locks/KEY        held by whoever compiles KEY
//   FOLDER/v1/set_aside/KEY    what could not be used, for its owner to look at
//   FOLDER/v1/evicted/KEY      empty; that there was such an entry
//
// An entry appears whole, by one rename. Nobody waits until it is on the disk: what a host that
// lost its power left of it is told by the digests, as all else that is damaged. Its time of
// modification is that of its last use: the oldest go when the folder holds more than its limit.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "program/popef.h"
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
  int64_t entries = 0, bytes = 0;  // what is set aside counts as bytes
};

struct StoredEntry {
  int64_t bytes = 0;               // of the executable file
  std::vector<KeyRecord> evicted;  // what had to go for it
};

// Thread-safe, as far as the folder itself is.
class DiskCache {
 public:
  // Makes the folder, for its owner alone, where it is missing. One that others could write to, or
  // replace, or that is another user's, is a BadFile error; what the system refuses is Failed
  // (support/private_folder.h).
  static Expected<std::unique_ptr<DiskCache>> open(const std::string& folder, int64_t limit_bytes);

  // Marks a hit as used. An entry is read and verified as a stranger's file is, within `limits`.
  DiskLookup find(const ExecutableKey& key, const Limits& limits = {}) const;
  // Held while a key is compiled and stored: others of the same key wait here, then find it.
  Expected<KeyLock> lock(const ExecutableKey& key, std::chrono::milliseconds patience) const;
  // All below: the caller holds the key's lock.
  void set_aside(const ExecutableKey& key) const;
  // Sets the record's facts of the executable. Errors (a full disk, an executable larger than the
  // limit) leave the cache as it was.
  Expected<StoredEntry> store(KeyRecord record, Executable& executable) const;

  // Records of all entries that can be read, by key.
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
