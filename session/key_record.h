// SPDX-License-Identifier: Apache-2.0
// The file beside an executable in the cache: the full key that it was compiled for, so that a
// later miss can be compared with it, and a digest over the record.
#pragma once

#include <string>

#include "session/key.h"
#include "support/expected.h"

namespace tessera {

struct KeyRecord {
  ExecutableKey key;
  std::string model;              // file name
  std::string executable_sha256;  // Executable::sha256
  int64_t executable_bytes = 0;
  double compile_ms = 0;  // that the compile took, which a hit saves
  bool operator==(const KeyRecord&) const = default;
};

// One line of JSON, and one with its SHA-256.
std::string to_text(const KeyRecord& record);
// A text that was changed in any byte is an error.
Expected<KeyRecord> parse_record(const std::string& text);

}  // namespace tessera
