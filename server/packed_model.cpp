// SPDX-License-Identifier: Apache-2.0
#include "server/packed_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "packing/pack.h"
#include "serving/rejection.h"
#include "serving/request_contract.h"
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

// A call whose rows ride on their own. It has its result when the last of them has; where one
// fails, the others are taken back, as nobody would read them.
class PackedModel::Call final : public RunningCall, public std::enable_shared_from_this<Call> {
 public:
  Call(const PackedModel& model, RowFormat::Rows rows, HeldMemory memory, InferDone done)
      : format_(model.format_),
        runner_(model.runner_),
        book_(model.book_),
        rows_(std::move(rows)),
        memory_(std::move(memory)),
        done_(std::move(done)) {
    result_.model = model.facts_.name;
    result_.version = model.facts_.version;
    result_.modelled_seconds = model.modelled_seconds_;
    answers_.resize(rows_.requests.size());
    left_ = answers_.size() + 1;  // the last for submit itself
  }

  // The error of the first row that was refused, and then `done` is never called.
  Status submit(const SubmitOptions& options) {
    for (size_t row = 0; row < answers_.size(); ++row) {
      auto id = runner_->submit(std::move(rows_.requests[row]), options,
                                [self = shared_from_this(), row](Expected<Answer> answer) {
                                  self->take(row, std::move(answer));
                                });
      if (!id) return refuse(row, std::move(id.error()));
      const std::lock_guard lock(mutex_);
      ids_.push_back(*id);
    }
    count_down(1);
    return {};
  }

  void cancel() override {
    fail({"request: is cancelled, must be waited for to be answered", ErrorKind::Refused,
          rejection::kCancelled});
  }

 private:
  Error of_row(size_t row, Error error) const {
    if (answers_.size() > 1 && error.type != rejection::kCancelled)
      error.message = fmt::format("row {}: {}", row, error.message);
    return error;
  }

  Error refuse(size_t row, Error error) {
    {
      const std::lock_guard lock(mutex_);
      is_refused_ = true;
    }
    error = of_row(row, std::move(error));
    fail(error);
    count_down(answers_.size() - row + 1);
    return error;
  }

  void take(size_t row, Expected<Answer> answer) {
    if (answer) {
      const std::lock_guard lock(mutex_);
      answers_[row] = answer.take();
    } else {
      fail(of_row(row, std::move(answer.error())));
    }
    count_down(1);
  }

  // Takes the others back; each is then told that it is cancelled, and comes here again.
  void fail(Error error) {
    std::vector<RequestId> ids;
    {
      const std::lock_guard lock(mutex_);
      if (failed_ || is_finished_) return;
      failed_ = std::move(error);
      ids = ids_;
    }
    for (const RequestId id : ids) runner_->cancel(id);
  }

  void count_down(size_t by) {
    {
      const std::lock_guard lock(mutex_);
      left_ -= by;
      if (left_ > 0) return;
    }
    finish();
  }

  // All rows have come: the answers are touched by nobody else any more.
  void finish() {
    const InferDone done = std::move(done_);
    const Nanoseconds whole = Clock::now() - began_;
    std::optional<Error> failed;
    bool is_refused = false;
    {
      const std::lock_guard lock(mutex_);
      is_finished_ = true;
      failed = failed_;
      is_refused = is_refused_;
    }
    if (failed) {
      book_->failed(*failed, whole);
      if (!is_refused) done(*failed);
      return;
    }
    Expected<InferResult> result = guarded("server", [&]() -> Expected<InferResult> {
      const Clock::time_point joining = Clock::now();
      result_.rows = std::ssize(answers_);
      for (const Answer& answer : answers_) result_.rides.push_back({answer.batch, 0, answer.ride});
      result_.outputs = format_->join(rows_, answers_);
      const Clock::time_point end = Clock::now();
      book_->answered(result_.rides, end - began_, end - joining);
      return std::move(result_);
    });
    done(std::move(result));
  }

  const std::shared_ptr<const RowFormat> format_;
  const std::shared_ptr<PackRunner> runner_;
  const std::shared_ptr<StatisticsBook> book_;
  const Clock::time_point began_ = Clock::now();
  RowFormat::Rows rows_;
  HeldMemory memory_;
  InferDone done_;
  InferResult result_;

  std::mutex mutex_;
  std::vector<Answer> answers_;
  std::vector<RequestId> ids_;
  std::optional<Error> failed_;
  size_t left_ = 0;
  bool is_refused_ = false, is_finished_ = false;
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
  auto running = std::make_shared<Call>(*this, rows.take(), std::move(memory), std::move(done));
  TRY(running->submit(options));
  return std::shared_ptr<RunningCall>(std::move(running));
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
