// SPDX-License-Identifier: Apache-2.0
// A line of JSON for each call that was answered or refused. Written by a thread of its own: a full
// or slow disk holds up no caller, and lines that do not fit in memory meanwhile are counted.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "support/descriptor.h"
#include "support/expected.h"

namespace tessera::server {

struct AccessLine {
  std::string protocol, method, target;  // "rest", "POST", "/v2/…"; "grpc", "ModelInfer", ""
  std::string peer, model, version, id;
  int status = 0;     // HTTP's, or gRPC's code
  std::string error;  // Error::type, "" where all is well
  int64_t rows = 0, bytes_in = 0, bytes_out = 0;
  std::chrono::nanoseconds took{0};
};
std::string to_json_line(const AccessLine& line, std::chrono::system_clock::time_point at);

// Thread-safe.
class AccessLog {
 public:
  // Appends to a file; "-": to standard output.
  static Expected<std::unique_ptr<AccessLog>> open(const std::string& path);
  ~AccessLog();  // writes what is left

  void write(const AccessLine& line);
  uint64_t dropped() const;

 private:
  AccessLog() = default;
  void work();

  Descriptor file_;
  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::string waiting_;
  uint64_t dropped_ = 0;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace tessera::server
