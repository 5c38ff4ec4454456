// SPDX-License-Identifier: Apache-2.0
#include "server/packed_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "packing/pack.h"
#include "serving/rejection.h"
#include "serving/request_contract.h"
#include "serving/row_call.h"
#include "support/guard.h"

namespace tessera::server {
namespace {

using Clock = std::chrono::steady_clock;

// The runner's larger numbers go first.
Expected<int32_t> runner_priority(uint64_t priority) {
  if (priority <= kLastPriority)
    return -static_cast<int32_t>(priority == 0 ? kUsualPriority : priority);
  return Error{fmt::format("request: priority is {}, must be in 0..{}", priority, kLastPriority),
               ErrorKind::Failed, rejection::kWrongInput};
}

}  // namespace

// Makes the result of a call from the answers to its rows, and holds the memory that it takes.
struct PackedModel::Answering {
  std::shared_ptr<const RowFormat> format;
  std::shared_ptr<StatisticsBook> book;
  RowFormat::Rows rows;  // of which no request is looked at
  HeldMemory memory;
  InferDone done;
  InferResult result = {};
  Clock::time_point began = Clock::now();

  void finish(Expected<std::vector<Answer>> answers) {
    const Clock::duration whole = Clock::now() - began;
    if (!answers) {
      book->failed(answers.error(), whole);
      done(answers.error());
      return;
    }
    done(guarded("server", [&] { return joined(*answers, whole); }));
  }

 private:
  Expected<InferResult> joined(const std::vector<Answer>& answers, Clock::duration whole) {
    const Clock::time_point joining = Clock::now();
    result.rows = std::ssize(answers);
    for (const Answer& answer : answers) result.rides.push_back({answer.batch, 0, answer.ride});
    result.outputs = format->join(rows, answers);
    const Clock::duration join = Clock::now() - joining;
    book->answered(result.rides, whole + join, join);
    return std::move(result);
  }
};

class PackedModel::Call final : public RunningCall {
 public:
  Call(std::shared_ptr<RowCall> rows, std::shared_ptr<Answering> answering)
      : rows_(std::move(rows)), answering_(std::move(answering)) {}
  void cancel() override { rows_->cancel(); }

 private:
  std::shared_ptr<RowCall> rows_;
  std::shared_ptr<Answering> answering_;
};

// A call holds the runner too, and may go on a thread of the runner's, which cannot wait for
// itself.
PackedModel::~PackedModel() {
  if (runner_) runner_->close();
}

Expected<std::shared_ptr<PackedModel>> PackedModel::create(const std::string& name,
                                                           const std::string& version,
                                                           std::shared_ptr<ModelRunner> runner,
                                                           RunnerOptions options,
                                                           std::shared_ptr<MemoryBudget> budget) {
  const Metadata& metadata = runner->executable().metadata;
  std::shared_ptr<PackedModel> model(new PackedModel);
  auto format = std::make_shared<RowFormat>(TRY(RowFormat::create(metadata)));
  model->facts_ = {name, version, "tessera_popef", format->inputs(), format->outputs()};
  model->format_ = std::move(format);
  model->modelled_seconds_ = metadata.cycles.seconds_per_batch;
  const PackingContract contract = TRY(request_contract(metadata));
  model->cells_ = std::max<int64_t>(1, row_tokens(contract));
  model->most_rows_ = options.runner.former.max_queue;
  model->budget_ = std::move(budget);
  options.requests.strip_padding = true;
  model->runner_ = TRY(PackRunner::create(std::move(runner), options.runner, options.requests));
  return model;
}

Expected<std::shared_ptr<RunningCall>> PackedModel::infer(const InferCall& call, InferDone done) {
  auto started = guarded("server", [&] { return start(call, std::move(done)); });
  return started;
}

Expected<std::shared_ptr<RunningCall>> PackedModel::start(const InferCall& call, InferDone done) {
  const Clock::time_point began = Clock::now();
  const auto refuse = [&](Error error) {
    book_->failed(error, Clock::now() - began);
    return error;
  };
  SubmitOptions options;
  const Expected<int32_t> priority = runner_priority(call.priority);
  if (!priority) return refuse(priority.error());
  options.priority = *priority;
  options.deadline = call.timeout;
  options.wait = std::chrono::microseconds(0);  // a caller that can wait tries again
  Expected<RowFormat::Rows> rows = format_->split(call, most_rows_);
  if (!rows) return refuse(std::move(rows.error()));
  HeldMemory memory(budget_);
  const int64_t bytes = format_->answer_bytes(*rows);
  if (!memory.take(bytes)) {
    return refuse({fmt::format("server: the answer of {} bytes does not fit beside those on their "
                               "way, must be asked for later or in smaller calls",
                               bytes),
                   ErrorKind::Refused, refusal::kBusy});
  }
  std::vector<Request> requests = std::move(rows->requests);
  auto answering = std::make_shared<Answering>(
      Answering{format_, book_, rows.take(), std::move(memory), std::move(done)});
  answering->result.model = facts_.name;
  answering->result.version = facts_.version;
  answering->result.modelled_seconds = modelled_seconds_;
  auto running = RowCall::submit(runner_, std::move(requests), options,
                                 [answering](Expected<std::vector<Answer>> answers) {
                                   answering->finish(std::move(answers));
                                 });
  if (!running) return refuse(std::move(running.error()));
  return std::shared_ptr<RunningCall>(std::make_shared<Call>(running.take(), std::move(answering)));
}

// Until the batches that wait now have run.
std::chrono::seconds PackedModel::retry_after() const {
  constexpr double kMost = 60;
  const auto tokens = static_cast<double>(runner_->metrics().queue_tokens);
  const CountedTime run = book_->read().compute_infer;
  const double seconds =
      run.count == 0 ? 0 : static_cast<double>(run.ns) / 1e9 / static_cast<double>(run.count);
  const double wait = std::ceil(tokens / static_cast<double>(cells_)) * seconds;
  return std::chrono::seconds(std::llround(std::clamp(std::ceil(wait), 1.0, kMost)));
}

}  // namespace tessera::server
