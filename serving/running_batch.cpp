// SPDX-License-Identifier: Apache-2.0
// A batch of a BatchRunner while the machine has it, and the answers that come of it.
#include <algorithm>
#include <future>

#include "serving/batch_runner.h"
#include "serving/rejection.h"

namespace tessera {
namespace {

// The cells in which one of these requests has a token.
UsedCells used_cells(const PackingContract& contract, std::span<const Placement> placements) {
  UsedCells used(static_cast<size_t>(contract.rows * contract.row_length));
  for (const Placement& place : placements)
    std::fill_n(used.begin() + place.start, place.length, true);
  return used;
}

}  // namespace

// Owns the tensors that the machine reads and writes.
class BatchRunner::Running final : public RunningBatch {
 public:
  Running(const BatchRunner& runner, const PackedBatch& batch, uint64_t number)
      : runner_(runner), batch_(batch), number_(number) {}
  // A caller that drops the batch waits for the machine to have done with its tensors.
  ~Running() override {
    if (done_.valid()) done_.wait();
  }

  void start(std::span<const Request* const> requests);
  Expected<std::vector<Answer>> finish() override;

 private:
  Status run_again(std::span<const Placement> placements);
  Status refuse_wrong(size_t first, size_t count, std::vector<Answer>& answers);
  Status run_without_wrong(std::vector<Answer>& answers);

  const BatchRunner& runner_;
  PackedBatch batch_;
  uint64_t number_;
  std::vector<std::vector<int32_t>> in_;
  std::vector<std::vector<std::byte>> out_;
  std::vector<size_t> first_tokens_;  // by place
  InputViews inputs_;
  OutputViews outputs_;
  std::future<Status> done_;
};

void BatchRunner::Running::start(std::span<const Request* const> requests) {
  for (const Anchor* anchor : runner_.inputs_) {
    in_.push_back(runner_.batch_input(anchor->name, batch_, requests));
    inputs_[anchor->name] = {anchor->dtype, false, anchor->shape,
                             std::as_bytes(std::span(in_.back()))};
  }
  for (const Placement& place : batch_.placements)
    first_tokens_.push_back(runner_.first_token(*requests[place.request]));
  for (const SlicedOutput& output : runner_.outputs_) {
    const Anchor& anchor = *output.anchor;
    out_.emplace_back(static_cast<size_t>(elements(anchor.shape) * size_of(anchor.dtype)));
    outputs_[anchor.name] = {anchor.dtype, anchor.shape, out_.back()};
  }
  done_ = runner_.runner_.run_async(inputs_, outputs_,
                                    used_cells(runner_.contract_, batch_.placements));
}

// Only what the model computes for these requests counts.
Status BatchRunner::Running::run_again(std::span<const Placement> placements) {
  return runner_.runner_.run(inputs_, outputs_, used_cells(runner_.contract_, placements));
}

// Finds, by halves, the requests for which the model computes an index that a table does not have.
Status BatchRunner::Running::refuse_wrong(size_t first, size_t count,
                                          std::vector<Answer>& answers) {
  const Status ran = run_again(std::span(batch_.placements).subspan(first, count));
  if (ran.ok() || ran.error().type != kIndexOutOfRange) return ran;
  if (count == 1) {
    answers[first].refused =
        Error{"request: " + ran.error().message, ErrorKind::Failed, rejection::kOutOfRange};
    return {};
  }
  TRY(refuse_wrong(first, count / 2, answers));
  return refuse_wrong(first + count / 2, count - count / 2, answers);
}

// The others of the batch have their answers: what a wrong index reads is in its own cells alone.
Status BatchRunner::Running::run_without_wrong(std::vector<Answer>& answers) {
  TRY(refuse_wrong(0, answers.size(), answers));
  std::vector<Placement> right;
  for (size_t i = 0; i < answers.size(); ++i)
    if (!answers[i].refused) right.push_back(batch_.placements[i]);
  return right.empty() ? Status{} : run_again(right);
}

Expected<std::vector<Answer>> BatchRunner::Running::finish() {
  std::vector<Answer> answers(batch_.placements.size());
  Status ran = done_.get();
  if (!ran && ran.error().type == kIndexOutOfRange) ran = run_without_wrong(answers);
  TRY(std::move(ran));
  for (size_t i = 0; i < answers.size(); ++i) {
    answers[i].batch = number_;
    answers[i].ordinal = static_cast<int64_t>(i);
    answers[i].first_token = first_tokens_[i];
    if (answers[i].refused) continue;
    for (size_t o = 0; o < runner_.outputs_.size(); ++o) {
      const OutputSlice mine = runner_.slice(runner_.outputs_[o], batch_, i);
      const auto bytes = std::span(out_[o]).subspan(static_cast<size_t>(mine.offset),
                                                    static_cast<size_t>(mine.bytes));
      const Anchor& anchor = *runner_.outputs_[o].anchor;
      answers[i].outputs[anchor.name].assign(bytes.begin(), bytes.end());
      if (runner_.runner_.computes_in_half())
        find_not_finite(anchor.name, anchor.dtype, bytes, answers[i].not_finite);
    }
  }
  return answers;
}

std::unique_ptr<RunningBatch> BatchRunner::start(const PackedBatch& batch,
                                                 std::span<const Request* const> requests,
                                                 uint64_t number) {
  auto running = std::make_unique<Running>(*this, batch, number);
  running->start(requests);
  return running;
}

}  // namespace tessera
