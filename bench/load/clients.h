// SPDX-License-Identifier: Apache-2.0
// Clients of a server, as callers have them: one connection each, one call at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "support/expected.h"

namespace tessera::load {

// The output that is asked for: make-model's BERT has it.
inline constexpr const char* kAsked = "start_logits";

struct Call {
  std::vector<int32_t> ids;
  std::chrono::microseconds timeout{0};  // 0: none
};

// The end of a call: the numbers of that output, or the status of the refusal.
struct Outcome {
  int status = 200;  // HTTP's; of gRPC 0 for an answer, else its code
  std::vector<float> answer;
};

class CallClient {
 public:
  virtual ~CallClient() = default;
  // An error: the connection broke.
  virtual Expected<Outcome> infer(const Call& call) = 0;
  // The protocol's question whether the server is alive, which no model has a part in.
  virtual Status ask_if_alive() = 0;
};

// Boost.Beast, with the binary tensor extension both ways.
Expected<std::unique_ptr<CallClient>> rest_client(int port, const std::string& model);
// Bytes as they are; the reply's status, 0 where the server closed the connection. The connection
// is this call's own.
int send_raw(int port, const std::string& bytes);

Expected<std::unique_ptr<CallClient>> grpc_client(int port, const std::string& model);

}  // namespace tessera::load
