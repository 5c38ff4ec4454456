// SPDX-License-Identifier: Apache-2.0
// The record of an online run as JSON lines: a header with the contract and the former's numbers,
// then an event a line, as docs/runtime.md lists them.
#pragma once

#include <string>
#include <vector>

#include "serving/batch_former.h"
#include "support/expected.h"
#include "support/file.h"

namespace tessera {

// Writes as the run goes on. Times are nanoseconds since its start.
class OnlineLog {
 public:
  static Expected<OnlineLog> create(const std::string& path, const PackingContract& contract,
                                    const FormerConfig& config);
  void write(const FormerEvent& event);
  // Error where something could not be written.
  Status close();

 private:
  explicit OnlineLog(GrowingFile file) : file_(std::move(file)) {}
  GrowingFile file_;
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
  std::vector<FormerEvent> events;
  std::vector<RecordedBatch> batches;
};

// Errors name the line: "run.jsonl:12: what is, what must be".
Expected<RecordedRun> read_online_log(const std::string& path);
RecordedBatch recorded(const FormedBatch& batch);

}  // namespace tessera
