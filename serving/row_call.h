// SPDX-License-Identifier: Apache-2.0
// Requests that one caller brings together, as the rows of a padded batch: each rides on its own,
// and the caller has its answer when the last of them has. Where one fails, the others are taken
// back, as nobody would read them.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "serving/pack_runner.h"
#include "serving/request.h"
#include "support/expected.h"

namespace tessera {

// Thread-safe.
class RowCall : public std::enable_shared_from_this<RowCall> {
 public:
  // Answers in the order of the rows, or the first error. Called once, as PackRunner::Done is.
  using Done = std::function<void(Expected<std::vector<Answer>>)>;

  // The error of the first row that was refused, and then `done` is never called. Messages begin
  // with "row 3: " where there are several. What `done` holds lives until all rows have come back.
  static Expected<std::shared_ptr<RowCall>> submit(std::shared_ptr<PackRunner> runner,
                                                   std::vector<Request> rows,
                                                   const SubmitOptions& options, Done done);
  // The result is the error "cancelled", unless it is on its way already.
  void cancel();

 private:
  RowCall(std::shared_ptr<PackRunner> runner, size_t rows, Done done);
  Status submit_all(std::vector<Request> rows, const SubmitOptions& options);
  Error of_row(size_t row, Error error) const;
  Error refuse(size_t row, Error error);
  void take(size_t row, Expected<Answer> answer);
  void fail(Error error);
  void count_down(size_t by);
  void finish();

  const std::shared_ptr<PackRunner> runner_;
  Done done_;
  std::mutex mutex_;
  std::vector<Answer> answers_;
  std::vector<RequestId> ids_;
  std::optional<Error> failed_;
  size_t left_;  // rows that have not come back, and one for submit itself
  bool is_refused_ = false, is_finished_ = false;
};

}  // namespace tessera
