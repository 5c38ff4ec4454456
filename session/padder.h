// SPDX-License-Identifier: Apache-2.0
// The decisions of a session under the policy Pad: to which executable each shape is padded.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "session/events.h"
#include "session/known_executables.h"

namespace tessera {

// Thread-safe, by a lock of its own.
class Padder {
 public:
  struct Decision {
    RecompileEvent event;  // that each such batch leaves
    std::string larger;    // total digest of the executable that it runs on
  };
  struct Padded {
    RecompileEvent event;
    std::shared_ptr<ModelRunner> runner;  // of the larger executable
  };

  void decide(const std::string& total, Decision decision);
  // As decided before; nothing if nothing was decided for this key. A decision whose executable is
  // not ready any more is forgotten.
  std::optional<Padded> find(const std::string& total, KnownExecutables& known);
  // An executable of these shapes has become ready: what it serves with less padding than was
  // decided is decided again.
  void forget_wider_than(const InputShapes& shapes);

 private:
  std::mutex mutex_;
  std::map<std::string, Decision> decisions_;  // by total digest
};

}  // namespace tessera
