// SPDX-License-Identifier: Apache-2.0
// The objects that the JIT made of codelets, kept so that the next process need not compile them.
//
// It is this host's own output, for this host: a file is found by a key over everything that went
// into it (executor/jit.cpp says what), and never travels with an executable. It is native code, so
// a folder or a file that anybody but this user could have written is not read at all; one that was
// damaged, cut short or renamed is told by its SHA-256. Whatever is not sound is as if it were not
// there, and is compiled and written again.
//
// Safe for any number of threads and processes at once: files appear whole, by rename.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "support/expected.h"
#include "support/private_folder.h"
#include "support/sha256.h"

namespace tessera {

class ObjectCache {
 public:
  static constexpr int64_t kDefaultLimit = int64_t{256} << 20;

  // The folder is made, for this user alone, where it is missing. Errors: it cannot be, it belongs
  // to another user, or others may write to it or to a folder above it
  // (support/private_folder.h). `limit` bounds the bytes of all files together.
  static Expected<std::unique_ptr<const ObjectCache>> open(const std::string& folder,
                                                           int64_t limit = kDefaultLimit);

  // The object that was stored under this key, if it is there and sound.
  std::optional<std::string> find(const Sha256& key) const;
  // Keeps the content, and removes what was used longest ago where there is now too much. A full
  // disk is not an error: the next load compiles again.
  void store(const Sha256& key, std::string_view content) const;

 private:
  ObjectCache(PrivateFolder folder, int64_t limit) : folder_(std::move(folder)), limit_(limit) {}
  void trim() const;

  PrivateFolder folder_;
  int64_t limit_;
};

}  // namespace tessera
