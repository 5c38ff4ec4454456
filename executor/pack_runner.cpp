// SPDX-License-Identifier: Apache-2.0
// Callers put requests in a queue; one worker takes them in order into the open batch, sends it
// when it is to close, and hands out the answers. While a batch runs the queue grows, so under
// load a batch is full the moment that the machine is free.
#include "executor/pack_runner.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "executor/batch_runner.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

struct Waiting {
  Request request;
  int64_t length = 0;
  uint64_t number = 0;  // in the order of submission
  Clock::time_point since;
  std::promise<Expected<Answer>> answer;
};

}  // namespace

std::string_view to_string(CloseReason reason) {
  switch (reason) {
    case CloseReason::Count: return "count";
    case CloseReason::Tokens: return "tokens";
    case CloseReason::Timeout: return "timeout";
    case CloseReason::Flush: return "flush";
  }
  return "";
}

struct PackRunner::Impl {
  std::shared_ptr<ModelRunner> runner;
  std::unique_ptr<BatchRunner> batches;
  PackRunnerConfig config;
  size_t most_requests = 0;  // in a batch

  mutable std::mutex mutex;
  std::condition_variable work_came, room_came;
  std::deque<Waiting> queue;
  uint64_t submitted = 0;
  uint64_t flush_below = 0;  // requests numbered below wait for no others
  bool closed = false;
  std::vector<BatchRecord> records;
  std::thread worker;
  std::mutex joining;

  Expected<std::future<Expected<Answer>>> submit(Request request);
  void work();
  // Fills `open` until the batch is to close; empty only when all is done.
  CloseReason fill(BatchPacker& packer, std::vector<Waiting>& open);
  std::optional<CloseReason> take_waiting(BatchPacker& packer, std::vector<Waiting>& open);
  void send(const PackedBatch& batch, std::vector<Waiting>& open, CloseReason reason);
};

Expected<std::future<Expected<Answer>>> PackRunner::Impl::submit(Request request) {
  const int64_t length = TRY(batches->check(request));
  Waiting waiting{std::move(request), length, 0, {}, {}};
  std::future<Expected<Answer>> answer = waiting.answer.get_future();
  std::unique_lock lock(mutex);
  room_came.wait(lock, [&] { return closed || queue.size() < config.max_queue; });
  if (closed) return Error{"pack runner: is closed, must be open to take requests"};
  waiting.number = submitted++;
  waiting.since = Clock::now();
  queue.push_back(std::move(waiting));
  work_came.notify_one();
  return answer;
}

// What waits goes into the batch, in order, as long as it fits. A reason if the batch is to close.
std::optional<CloseReason> PackRunner::Impl::take_waiting(BatchPacker& packer,
                                                          std::vector<Waiting>& open) {
  while (!queue.empty()) {
    if (!packer.try_add(open.size(), queue.front().length)) return CloseReason::Tokens;
    open.push_back(std::move(queue.front()));
    queue.pop_front();
    room_came.notify_one();
    if (open.size() >= most_requests) return CloseReason::Count;
    if (packer.free_tokens() == 0) return CloseReason::Tokens;
  }
  if (open.empty()) return {};
  if (closed || open.front().number < flush_below) return CloseReason::Flush;
  if (Clock::now() >= open.front().since + config.timeout) return CloseReason::Timeout;
  return {};
}

CloseReason PackRunner::Impl::fill(BatchPacker& packer, std::vector<Waiting>& open) {
  std::unique_lock lock(mutex);
  for (;;) {
    if (const auto reason = take_waiting(packer, open)) return *reason;
    if (closed) return CloseReason::Flush;
    if (open.empty()) {
      work_came.wait(lock);
    } else {
      work_came.wait_until(lock, open.front().since + config.timeout);
    }
  }
}

void PackRunner::Impl::send(const PackedBatch& batch, std::vector<Waiting>& open,
                            CloseReason reason) {
  const Clock::time_point begin = Clock::now();
  std::vector<const Request*> requests;
  for (const Waiting& waiting : open) requests.push_back(&waiting.request);
  const uint64_t number = records.size();  // only this thread adds to them
  Expected<std::vector<Answer>> answers = batches->run(batch, requests, number);
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  {
    // Before the answers go out: who has got all of his finds every batch in the records.
    const std::lock_guard lock(mutex);
    records.push_back({number, static_cast<int64_t>(open.size()), batch.tokens, reason, seconds});
  }
  for (size_t i = 0; i < open.size(); ++i) {
    Waiting& waiting = open[batch.placements[i].request];
    if (answers) {
      waiting.answer.set_value(std::move((*answers)[i]));
    } else {
      waiting.answer.set_value(answers.error());
    }
  }
}

void PackRunner::Impl::work() {
  BatchPacker packer(batches->contract(), config.policy);
  for (;;) {
    std::vector<Waiting> open;
    packer.clear();
    const CloseReason reason = fill(packer, open);
    if (open.empty()) return;
    send(packer.batch(), open, reason);
  }
}

PackRunner::PackRunner() : impl_(std::make_unique<Impl>()) {}
PackRunner::~PackRunner() { close(); }

Expected<std::unique_ptr<PackRunner>> PackRunner::create(std::shared_ptr<ModelRunner> runner,
                                                         const PackRunnerConfig& config) {
  std::unique_ptr<PackRunner> out(new PackRunner);
  Impl& impl = *out->impl_;
  impl.batches = TRY(BatchRunner::create(*runner));
  impl.runner = std::move(runner);
  impl.config = config;
  const int64_t most = most_requests(impl.batches->contract());
  if (config.max_valid_num < 0 || config.max_valid_num > most) {
    return Error{"pack runner: max_valid_num is " + std::to_string(config.max_valid_num) +
                 ", must be in 0.." + std::to_string(most)};
  }
  if (!packs_a_stream(config.policy))
    return Error{"pack runner: policy is " + std::string(to_string(config.policy)) +
                 ", must be one that packs requests as they come"};
  if (config.max_queue < 1) return Error{"pack runner: max_queue is 0, must be >= 1"};
  impl.most_requests = static_cast<size_t>(config.max_valid_num > 0 ? config.max_valid_num : most);
  impl.worker = std::thread([&impl] { impl.work(); });
  return out;
}

Expected<std::future<Expected<Answer>>> PackRunner::submit(Request request) {
  return impl_->submit(std::move(request));
}

void PackRunner::flush() {
  const std::lock_guard lock(impl_->mutex);
  impl_->flush_below = impl_->submitted;
  impl_->work_came.notify_one();
}

void PackRunner::close() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->closed = true;
    impl_->work_came.notify_one();
    impl_->room_came.notify_all();
  }
  const std::lock_guard lock(impl_->joining);
  if (impl_->worker.joinable()) impl_->worker.join();
}

std::vector<BatchRecord> PackRunner::records() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->records;
}

}  // namespace tessera
