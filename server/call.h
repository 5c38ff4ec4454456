// SPDX-License-Identifier: Apache-2.0
// One inference call, in no protocol's words: REST and gRPC both read their messages into this and
// write their answers from it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/wire.h"
#include "serving/request.h"
#include "support/expected.h"

namespace tessera::server {

struct InferCall {
  std::string model, version;  // version "": the newest
  std::string id;
  std::vector<WireInput> inputs;
  std::vector<std::string> outputs;      // asked for; none: all
  uint64_t priority = 0;                 // 1 goes first; 0: kUsualPriority
  std::chrono::microseconds timeout{0};  // from now to the answer; 0: none
  bool explain = false;                  // whether the rides are asked for
};

inline constexpr uint64_t kUsualPriority = 500, kLastPriority = 1000;

// How a row of a call fared.
struct RowRide {
  uint64_t batch = 0;
  int64_t tokens = 0;  // of the row, where they are known
  Ride ride;
};

struct InferResult {
  std::string model, version;
  std::vector<WireOutput> outputs;
  int64_t rows = 0;
  std::vector<RowRide> rides;   // by row; of a model that packs
  double modelled_seconds = 0;  // of a batch on the target
};

// Called once, from any thread; must be brief.
using InferDone = std::function<void(Expected<InferResult>)>;

// A call that was taken.
class RunningCall {
 public:
  virtual ~RunningCall() = default;
  // Its caller has gone: what waits of it need not run, and its result is the error "cancelled",
  // unless it is on its way already. Thread-safe.
  virtual void cancel() = 0;
};

// Error::type of what a server refuses beside serving/rejection.h.
namespace refusal {
inline constexpr std::string_view kUnknownModel = "unknown_model";
inline constexpr std::string_view kNotReady = "not_ready";
inline constexpr std::string_view kMalformed = "malformed";
inline constexpr std::string_view kTooLarge = "too_large";
inline constexpr std::string_view kBusy = "busy";  // a later try may find room
inline constexpr std::string_view kUnsupported = "unsupported";
inline constexpr std::string_view kForbidden = "forbidden";
}  // namespace refusal

// How a protocol says an error: HTTP's status, gRPC's code by its number.
struct ProtocolStatus {
  int http = 500;
  int grpc = 2;
  bool may_retry = false;  // the same call may be taken in a while
};
ProtocolStatus protocol_status(const Error& error);

}  // namespace tessera::server
