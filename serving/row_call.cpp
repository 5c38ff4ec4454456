// SPDX-License-Identifier: Apache-2.0
#include "serving/row_call.h"

#include "serving/rejection.h"

namespace tessera {

RowCall::RowCall(std::shared_ptr<PackRunner> runner, size_t rows, Done done)
    : runner_(std::move(runner)), done_(std::move(done)), answers_(rows), left_(rows + 1) {}

Expected<std::shared_ptr<RowCall>> RowCall::submit(std::shared_ptr<PackRunner> runner,
                                                   std::vector<Request> rows,
                                                   const SubmitOptions& options, Done done) {
  const std::shared_ptr<RowCall> call(new RowCall(std::move(runner), rows.size(), std::move(done)));
  TRY(call->submit_all(std::move(rows), options));
  return call;
}

Status RowCall::submit_all(std::vector<Request> rows, const SubmitOptions& options) {
  for (size_t row = 0; row < rows.size(); ++row) {
    auto id = runner_->submit(std::move(rows[row]), options,
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

void RowCall::cancel() {
  fail({"request: is cancelled, must be waited for to be answered", ErrorKind::Refused,
        rejection::kCancelled});
}

Error RowCall::of_row(size_t row, Error error) const {
  if (answers_.size() > 1 && error.type != rejection::kCancelled)
    error.message = "row " + std::to_string(row) + ": " + error.message;
  return error;
}

Error RowCall::refuse(size_t row, Error error) {
  {
    const std::lock_guard lock(mutex_);
    is_refused_ = true;
  }
  error = of_row(row, std::move(error));
  fail(error);
  count_down(answers_.size() - row + 1);
  return error;
}

void RowCall::take(size_t row, Expected<Answer> answer) {
  if (answer) {
    const std::lock_guard lock(mutex_);
    answers_[row] = answer.take();
  } else {
    fail(of_row(row, std::move(answer.error())));
  }
  count_down(1);
}

// Takes the others back; each is then told that it is cancelled, and comes here again.
void RowCall::fail(Error error) {
  std::vector<RequestId> ids;
  {
    const std::lock_guard lock(mutex_);
    if (failed_ || is_finished_) return;
    failed_ = std::move(error);
    ids = ids_;
  }
  for (const RequestId id : ids) runner_->cancel(id);
}

void RowCall::count_down(size_t by) {
  {
    const std::lock_guard lock(mutex_);
    left_ -= by;
    if (left_ > 0) return;
  }
  finish();
}

// All rows have come: the answers are touched by nobody else any more.
void RowCall::finish() {
  const Done done = std::move(done_);
  std::optional<Error> failed;
  bool is_refused = false;
  {
    const std::lock_guard lock(mutex_);
    is_finished_ = true;
    failed = failed_;
    is_refused = is_refused_;
  }
  if (!failed)
    done(std::move(answers_));
  else if (!is_refused)
    done(*failed);
}

}  // namespace tessera
