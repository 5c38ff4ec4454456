// SPDX-License-Identifier: Apache-2.0
#include "serving/pack_runner.h"

#include <algorithm>

#include "packing/batch_packer.h"
#include "serving/batch_executor.h"
#include "serving/batch_former.h"
#include "serving/batch_runner.h"
#include "serving/pack_runner_impl.h"
#include "serving/rejection.h"
#include "serving/waiting_queue.h"
#include "support/check.h"
#include "support/guard.h"

namespace tessera {
namespace {

using std::chrono::microseconds;

constexpr int kWarmUps = 3;
constexpr microseconds kLongestWait = std::chrono::hours(24 * 365);

// Nanoseconds of a duration that may be longer than these can say.
Time to_time(microseconds duration) {
  return std::clamp(duration, microseconds(-1), 2 * kLongestWait);
}

Error typed(std::string message, std::string_view type) {
  return {"request: " + std::move(message), ErrorKind::Refused, type};
}

}  // namespace

Status PackRunner::Impl::start() {
  former =
      std::make_unique<BatchFormer>(TRY(BatchFormer::create(executor->contract(), config.former)));
  former->record(config.record);
  handed = Handed(config.keep_order);
  if (config.batch_time == BatchTime::Modelled) {
    const double seconds = seconds_of_batch(executor->modelled_seconds());
    if (seconds <= 0) {
      return Error{
          "pack runner: batch_time is modelled, must be measured where the executor has "
          "no modelled time",
          ErrorKind::Usage};
    }
    former->set_batch_time(Time(static_cast<int64_t>(seconds * 1e9)), now());
  } else if (config.warm_up) {
    TRY(warm_up());
  }
  packer = TRY(start_thread("pack runner", [this] { keep_up(&Impl::pack); }));
  Expected<std::thread> second = start_thread("pack runner", [this] { keep_up(&Impl::deliver); });
  if (second) deliverer = second.take();
  if (!second) stop_packer();
  return second ? Status() : std::move(second.error());
}

// Before any request came.
void PackRunner::Impl::stop_packer() {
  {
    const std::lock_guard lock(mutex);
    former->close(now());
    work_came.notify_one();
  }
  packer.join();
}

// One request of one token: a batch takes the same time whatever is in it.
Status PackRunner::Impl::warm_up() {
  Request request;
  request.tokens[executor->contract().ids_input] = {0};
  BatchPacker packer_of_one(executor->contract(), PackPolicy::FirstFit);
  CHECK(packer_of_one.try_add(0, 1));
  const Request* const requests[] = {&request};
  for (int i = 0; i < kWarmUps; ++i) {
    const Time begin = now();
    TRY(executor->start(packer_of_one.batch(), requests, 0)->finish());
    if (i > 0) count_time(now() - begin);  // the first touches memory for the first time
  }
  return {};
}

void PackRunner::Impl::count_time(Time batch_time) {
  if (config.batch_time != BatchTime::Measured) return;
  batch_times.add(batch_time);
  tell_time();
}

void PackRunner::Impl::tell_time() {
  const Time slowest = batch_times.slowest();
  if (slowest != former->batch_time()) former->set_batch_time(slowest, now());
}

// A request with a deadline was refused. On an idle machine it might have been the one to show that
// batches are faster now.
void PackRunner::Impl::doubt_time() {
  if (batch_times.empty() || former->in_flight() > 0 || former->waiting() > 0) return;
  batch_times.doubt();
  tell_time();
}

Expected<RequestId> PackRunner::Impl::reject(Error error) {
  const std::lock_guard lock(mutex);
  ++former->metrics().rejected[std::string(error.type)];
  return error;
}

Expected<RequestId> PackRunner::Impl::submit(Request request, const SubmitOptions& options,
                                             Done done) {
  Arrival arrival;
  const Time since = now();
  Expected<int64_t> length = executor->check(request);
  if (!length) return reject(std::move(length.error()));
  arrival.length = *length;
  arrival.priority = options.priority;
  if (options.deadline > microseconds(0) && options.deadline < kLongestWait)
    arrival.deadline = since + options.deadline;

  std::unique_lock lock(mutex);
  const auto go = [&] { return former->closed() || former->has_room(arrival.length); };
  const auto self = std::this_thread::get_id();
  const bool ours = self == packer.get_id() || self == deliverer.get_id();
  if (!go() && options.wait > microseconds(0) && !ours) {
    const Time wait = std::min(to_time(options.wait), arrival.deadline - since);
    room_came.wait_until(lock, began + since + wait, go);
  }
  const Expected<RequestId> taken = former->submit(arrival, now());
  if (!taken) {
    if (taken.error().type == rejection::kDeadline) doubt_time();
    return taken;
  }
  const RequestId id = *taken;
  handed.add(id, {std::move(request), std::move(done), since, arrival.deadline});
  if (former->worth_polling()) work_came.notify_one();
  return id;
}

bool PackRunner::Impl::cancel(RequestId id) {
  std::unique_lock lock(mutex);
  Done done;
  if (former->cancel(id, now())) {
    done = handed.take_waiting(id);
    room_came.notify_all();
  } else if ((done = handed.take_riding(id))) {
    ++former->metrics().cancelled;
    ++former->metrics().cancelled_in_flight;
  }
  if (!done) return false;
  lock.unlock();
  done(typed("is cancelled, must be left alone to be answered", rejection::kCancelled));
  lock.lock();
  handed.mark_gone(id);
  handed.deliver(lock);  // in order, others may have waited for this one
  results_went.notify_all();
  return true;
}

void PackRunner::Impl::wait_for_results(std::unique_lock<std::mutex>& lock) {
  const RequestId below = former->next_id();
  results_went.wait(lock, [&] { return handed.all_gone_below() >= below; });
}

PackRunner::PackRunner() : impl_(std::make_unique<Impl>()) {}
PackRunner::~PackRunner() {
  if (impl_->packer.joinable()) close();
}

Expected<std::unique_ptr<PackRunner>> PackRunner::create(std::shared_ptr<ModelRunner> runner,
                                                         const PackRunnerConfig& config,
                                                         const RequestOptions& requests) {
  std::shared_ptr<BatchExecutor> executor =
      TRY(guarded("pack runner", [&] { return BatchRunner::create(*runner, requests); }));
  std::unique_ptr<PackRunner> out = TRY(create(std::move(executor), config));
  out->impl_->runner = std::move(runner);
  return out;
}

Expected<std::unique_ptr<PackRunner>> PackRunner::create(std::shared_ptr<BatchExecutor> executor,
                                                         const PackRunnerConfig& config) {
  return guarded("pack runner", [&]() -> Expected<std::unique_ptr<PackRunner>> {
    std::unique_ptr<PackRunner> out(new PackRunner);
    out->impl_->executor = std::move(executor);
    out->impl_->config = config;
    TRY(out->impl_->start());
    return out;
  });
}

Expected<PackRunner::Submission> PackRunner::submit(Request request, const SubmitOptions& options) {
  const auto promise = std::make_shared<std::promise<Expected<Answer>>>();
  std::future<Expected<Answer>> answer = promise->get_future();
  const RequestId id = TRY(submit(std::move(request), options, [promise](Expected<Answer> result) {
    promise->set_value(std::move(result));
  }));
  return Submission{id, std::move(answer)};
}

Expected<RequestId> PackRunner::submit(Request request, const SubmitOptions& options, Done done) {
  return guarded("pack runner",
                 [&] { return impl_->submit(std::move(request), options, std::move(done)); });
}

Expected<RequestId> PackRunner::submit_arrays(const InputViews& arrays,
                                              const SubmitOptions& options, Done done) {
  Expected<Request> request = guarded("request", [&] { return request_from(arrays); });
  if (!request) return impl_->reject(std::move(request.error()));
  return submit(request.take(), options, std::move(done));
}

bool PackRunner::cancel(RequestId id) { return impl_->cancel(id); }

void PackRunner::flush() {
  const std::lock_guard lock(impl_->mutex);
  impl_->former->flush(impl_->now());
  impl_->work_came.notify_one();
}

void PackRunner::drain() {
  std::unique_lock lock(impl_->mutex);
  impl_->former->drain(impl_->now());
  impl_->work_came.notify_one();
  impl_->wait_for_results(lock);
}

void PackRunner::close() {
  {
    std::unique_lock lock(impl_->mutex);
    impl_->former->close(impl_->now());
    impl_->work_came.notify_one();
    impl_->room_came.notify_all();
    impl_->wait_for_results(lock);
  }
  const std::lock_guard lock(impl_->joining);
  if (!impl_->packer.joinable()) return;
  impl_->packer.join();
  impl_->deliverer.join();
}

std::vector<BatchRecord> PackRunner::records() const {
  const std::lock_guard lock(impl_->mutex);
  return {impl_->records.begin(), impl_->records.end()};
}

std::chrono::nanoseconds PackRunner::oldest_wait() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->former->oldest_wait(impl_->now());
}

OnlineMetrics PackRunner::metrics() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->former->metrics();
}

}  // namespace tessera
