// SPDX-License-Identifier: Apache-2.0
// The Open Inference Protocol over gRPC, by its callback interface: no call holds a thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "server/access_log.h"
#include "server/memory_budget.h"
#include "server/model_control.h"
#include "server/model_hub.h"
#include "support/expected.h"

namespace tessera::server {

struct GrpcOptions {
  std::string host = "127.0.0.1";
  int port = 8001;  // 0: any that is free
  int64_t message_bytes = int64_t{32} << 20;
  int most_streams = 1024;  // calls of one connection at a time
};

struct GrpcParts {
  std::shared_ptr<ModelHub> hub;
  std::shared_ptr<ModelControl> control;  // null: load and unload are refused
  std::shared_ptr<AccessLog> log;
  std::shared_ptr<MemoryBudget> budget;
  std::string version;
};

// Thread-safe.
class GrpcServer {
 public:
  static Expected<std::unique_ptr<GrpcServer>> start(const GrpcOptions& options, GrpcParts parts);
  ~GrpcServer();  // drain(0)

  int port() const;
  // Takes no new call, and waits for those on their way; what is left then is cancelled.
  void drain(std::chrono::milliseconds patience);

 private:
  GrpcServer();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera::server
