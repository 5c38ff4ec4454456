// SPDX-License-Identifier: Apache-2.0
// The decisions of a session under the policy Pad: to which executable each shape is padded.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "session/events.h"
#include "session/key.h"
#include "session/key_record.h"
#include "session/known_executables.h"

namespace tessera {

// Not thread-safe: a session holds `mutex` around each call.
class Padder {
 public:
  struct Decision {
    RecompileEvent event;  // that each such batch leaves
    std::string larger;    // total digest of the executable that it runs on
  };

  void decide(const std::string& total, Decision decision) {
    decisions_[total] = std::move(decision);
  }
  // Null if nothing was decided for this key. A decision whose executable is not ready any more is
  // forgotten.
  const Decision* find(const std::string& total, KnownExecutables& known);
  // An executable of these shapes has become ready: what it serves with less padding than was
  // decided is decided again.
  void forget_wider_than(const InputShapes& shapes);

 private:
  std::map<std::string, Decision> decisions_;  // by total digest
};

// The smallest executable, ready or in the cache, that serves batches of this key.
std::optional<ExecutableKey> larger_for(const ExecutableKey& asked, const MemoryCache& ready,
                                        const std::vector<KeyRecord>& in_cache);

}  // namespace tessera
