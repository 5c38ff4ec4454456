// SPDX-License-Identifier: Apache-2.0
// An ONNX model behind a Session: a call is a batch, of whatever shape, and the session's policy
// says what a new shape costs. Calls are carried out one after the other by a thread of the
// model's.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "server/memory_budget.h"
#include "server/served_model.h"
#include "server/worker.h"
#include "session/session.h"

namespace tessera::server {

class SessionModel final : public ServedModel {
 public:
  // `session.warm_up` must have a shape: its executable says what inputs and outputs there are.
  static Expected<std::shared_ptr<SessionModel>> create(
      const std::string& name, const std::string& version, const std::string& path,
      SessionOptions session, int64_t most_waiting, std::shared_ptr<MemoryBudget> budget);
  ~SessionModel() override;

  const ModelFacts& facts() const override { return facts_; }
  Expected<std::shared_ptr<RunningCall>> infer(const InferCall& call, InferDone done) override;
  std::chrono::seconds retry_after() const override;
  ModelStatistics statistics() const override { return book_.read(); }
  std::optional<SessionCounts> session() const override { return session_->counts(); }
  int64_t pending() const override { return static_cast<int64_t>(worker_->waiting()); }
  std::chrono::duration<double> queue_age() const override { return {}; }
  void close() override;

 private:
  class Call;
  SessionModel() = default;
  void run(Call& call);

  ModelFacts facts_;
  std::map<std::string, DType> input_dtypes_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Worker> worker_;
  StatisticsBook book_;
  std::shared_ptr<MemoryBudget> budget_;
  std::atomic<bool> is_closed_{false};
};

}  // namespace tessera::server
