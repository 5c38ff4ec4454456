// SPDX-License-Identifier: Apache-2.0
// One caller works on a key. Others that want the same key wait for that work to end, and look
// again.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "session/session.h"
#include "support/expected.h"

namespace tessera {

// Thread-safe, by a lock of its own, which is held during `look` and not during `work`.
class SharedWork {
 public:
  // The answer of `look`, if it has one at once or after such an end; else that of `work`, which no
  // other caller of this key does meanwhile. If the work of another caller fails while this one
  // waits, its error is the answer, but for a refusal: a refusal is each caller's own.
  Expected<Serving> serve(const std::string& total,
                          const std::function<std::optional<Serving>()>& look,
                          const std::function<Expected<Serving>()>& work);

 private:
  struct Work {
    bool ended = false;
    std::optional<Error> failed;
  };

  std::mutex mutex_;
  std::condition_variable ended_;
  std::map<std::string, std::shared_ptr<Work>> works_;  // by total digest
};

}  // namespace tessera
