// SPDX-License-Identifier: Apache-2.0
// An executable behind a PackRunner: each row of a call is a request of its own, and shares batches
// with rows of other calls.
#pragma once

#include <memory>
#include <string>

#include "executor/model_runner.h"
#include "server/memory_budget.h"
#include "server/served_model.h"
#include "serving/runner_options.h"

namespace tessera::server {

class PackedModel final : public ServedModel {
 public:
  // Padding is stripped by a mask, and batches are run at the start where that is asked for
  // (RunnerOptions). Errors: an executable that takes no requests, options out of range.
  static Expected<std::shared_ptr<PackedModel>> create(const std::string& name,
                                                       const std::string& version,
                                                       std::shared_ptr<ModelRunner> runner,
                                                       RunnerOptions options,
                                                       std::shared_ptr<MemoryBudget> budget);

  ~PackedModel() override;  // close()

  const ModelFacts& facts() const override { return facts_; }
  Expected<std::shared_ptr<RunningCall>> infer(const InferCall& call, InferDone done) override;
  std::chrono::seconds retry_after() const override;
  ModelStatistics statistics() const override { return book_->read(); }
  std::optional<OnlineMetrics> packing() const override { return runner_->metrics(); }
  int64_t pending() const override { return runner_->metrics().queue_requests; }
  std::chrono::duration<double> queue_age() const override { return runner_->oldest_wait(); }
  void close() override { runner_->close(); }

 private:
  class Call;
  struct Answering;
  PackedModel() = default;
  Expected<std::shared_ptr<RunningCall>> start(const InferCall& call, InferDone done);

  ModelFacts facts_;
  std::shared_ptr<const RowFormat> format_;
  std::shared_ptr<PackRunner> runner_;
  std::shared_ptr<StatisticsBook> book_ = std::make_shared<StatisticsBook>();
  std::shared_ptr<MemoryBudget> budget_;
  int64_t most_rows_ = 0;
  double modelled_seconds_ = 0;
  int64_t cells_ = 1;
};

}  // namespace tessera::server
