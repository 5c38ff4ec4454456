// SPDX-License-Identifier: Apache-2.0
// The record of an online run as JSON lines: a header with the contract and the former's numbers,
// then an event a line, as docs/runtime.md lists them.
#pragma once

#include <string>
#include <vector>

#include "serving/batch_former.h"
#include "support/expected.h"
#include "support/file.h"
#include "support/limits.h"

namespace tessera {

// The clock from which the times of a record are read.
struct RecordClock {
  enum class Kind : uint8_t { Unknown, Virtual, Host };
  Kind kind = Kind::Unknown;  // of records that were written before they said it
  // Host: when the record's time was 0, in nanoseconds since 1970, and the number of the process.
  int64_t start_unix_ns = 0, pid = 0;
};

// Writes as the run goes on. Times are nanoseconds since its start.
class OnlineLog {
 public:
  // `clock` is Virtual or Host.
  static Expected<OnlineLog> create(const std::string& path, const PackingContract& contract,
                                    const FormerConfig& config, RecordClock::Kind clock);
  void write(const FormerEvent& event);
  // Error where something could not be written.
  Status close();

 private:
  OnlineLog(GrowingFile file, const PackingContract& contract, const FormerConfig& config,
            RecordClock::Kind clock)
      : file_(std::move(file)), contract_(contract), config_(config), clock_(clock) {}
  void write_header(Time now);

  GrowingFile file_;
  PackingContract contract_;
  FormerConfig config_;
  RecordClock::Kind clock_;
  bool has_header_ = false;
};

// A batch as it was recorded.
struct RecordedBatch {
  std::string reason;
  std::vector<RequestId> requests;
  std::vector<int64_t> starts;  // of each, in the flattened batch
};

struct RecordedRun {
  PackingContract contract;
  FormerConfig config;
  RecordClock clock;
  std::vector<FormerEvent> events;
  std::vector<RecordedBatch> batches;
  Limits limits;  // of the time that it may take to replay
};

// Errors name the line: "run.jsonl:12: what is, what must be". `limits` are of its reading, and go
// with the record.
Expected<RecordedRun> read_online_log(const std::string& path, const Limits& limits = {});
RecordedBatch recorded(const FormedBatch& batch);

}  // namespace tessera
