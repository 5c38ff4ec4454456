// SPDX-License-Identifier: Apache-2.0
// The words of the former of batches (serving/batch_former.h): its configuration, the requests that
// arrive, the batches that it makes of them, and the record of both.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "packing/pack.h"
#include "packing/policy.h"
#include "serving/metrics.h"

namespace tessera {

// Since the start of the run, on the clock of whoever calls.
using Time = std::chrono::nanoseconds;
inline constexpr Time kNever = Time::max();

using RequestId = uint64_t;

// The facts of a request that packing must know.
struct Arrival {
  int64_t length = 0;      // tokens
  int32_t priority = 0;    // larger goes first
  Time deadline = kNever;  // when its answer must be there
};

struct FormerConfig {
  // One that packs a stream. Its pinned requests (0: kPinnedOnline) are at most as many as always
  // fit, under any policy.
  PackRule rule = PackPolicy::Window;
  Time timeout = std::chrono::milliseconds(15);
  int64_t max_valid_num = 0;     // requests in a batch; 0: the contract's
  int64_t max_queue = 4096;      // requests that wait
  int64_t max_queue_tokens = 0;  // tokens that wait; 0: no limit
  // The time that the machine takes for a batch, full or not. 0: not known, and a request with a
  // deadline is refused.
  Time batch_time{0};
  Time margin{0};  // a batch is closed this long before a deadline forces it to
  Time lead{0};    // a batch is closed this long before the machine is expected to be free
};

struct FormedBatch {
  struct Rider {
    RequestId id = 0;
    Arrival arrival;
    Time since{0};               // when it was admitted
    int64_t batches_waited = 0;  // formed since then, this one included
    int64_t bound = 0;           // the most that could be
  };
  int64_t number = 0;  // from 0
  Time at{0};          // when it was closed
  CloseReason reason = CloseReason::Tokens;
  PackedBatch packed;         // Placement::request is a place in `riders`
  std::vector<Rider> riders;  // in the order of placements
  size_t left = 0;            // requests that go on waiting
};

// An event of a former. All of them, in order, are enough to do its run again (serving/replay.h).
struct FormerEvent {
  enum class Kind : uint8_t { Submit, Cancel, Flush, Drain, Close, Done, BatchTime, Poll };
  Kind kind = Kind::Poll;
  Time now{0};
  Arrival arrival = {};              // Submit
  std::optional<RequestId> id = {};  // Submit: what it was given, none if refused; Cancel
  Time batch_time{0};                // BatchTime
  // Poll: what it gave, for the length of the call.
  const FormedBatch* batch = nullptr;
  const std::vector<RequestId>* missed = nullptr;
};
using FormerRecorder = std::function<void(const FormerEvent&)>;

}  // namespace tessera
