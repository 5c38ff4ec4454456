// SPDX-License-Identifier: Apache-2.0
// Everything that is shared stands under one mutex: the former, the requests that it knows by
// number, the batches in flight and the outbox. It is held for microseconds: tensors are made,
// batches run and callers called without it.
#include "serving/pack_runner.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "serving/batch_runner.h"
#include "serving/outbox.h"
#include "serving/rejection.h"
#include "support/check.h"
#include "support/guard.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr size_t kBatchTimes = 16;
constexpr int kWarmUps = 3;
constexpr microseconds kLongestWait = std::chrono::hours(24 * 365);

struct Pending {
  Request request;
  PackRunner::Done done;  // none once it was called
  Time since{0};          // submission
  Time deadline = kNever;
};

// A batch between its closing and its answers.
struct Flight {
  FormedBatch batch;
  std::vector<Pending> riders;
  std::unique_ptr<RunningBatch> running;
  Status started;  // why nothing is running
  Time packing_began{0};
};

// Nanoseconds of a duration that may be longer than these can say.
Time to_time(microseconds duration) {
  return std::clamp(duration, microseconds(-1), 2 * kLongestWait);
}

Error typed(std::string message, std::string_view type) {
  return {"request: " + std::move(message), ErrorKind::Refused, type};
}

}  // namespace

struct PackRunner::Impl {
  std::shared_ptr<ModelRunner> runner;  // of the executor, where that is ours
  std::shared_ptr<BatchExecutor> executor;
  PackRunnerConfig config;
  const Clock::time_point began = Clock::now();

  mutable std::mutex mutex;
  std::condition_variable work_came, room_came, flight_came, results_went;
  std::unique_ptr<BatchFormer> former;
  std::unordered_map<RequestId, Pending> waiting;
  std::unordered_map<RequestId, Pending*> riding;
  std::deque<std::unique_ptr<Flight>> flights;  // in the order of their start
  std::unique_ptr<Flight> forming, landing;     // of the packer and of the deliverer
  Outbox outbox{false};
  std::deque<BatchRecord> records;
  std::deque<Time> batch_times;  // the last kBatchTimes
  Time machine_since{0};         // end of the last batch
  bool packer_ended = false;
  std::thread packer, deliverer;
  std::mutex joining;

  Time now() const { return Clock::now() - began; }
  Status start(const FormerConfig& former_config);
  Status warm_up();
  void stop_packer();
  Expected<RequestId> submit(Request request, const SubmitOptions& options, Done done);
  Expected<RequestId> reject(Error error);
  bool cancel(RequestId id);
  void pack();
  void miss(const std::vector<RequestId>& missed, std::unique_lock<std::mutex>& lock);
  void send(FormedBatch batch, std::unique_lock<std::mutex>& lock);
  void deliver();
  void land(Flight& flight);
  void keep_up(void (Impl::*loop)());
  void recover(bool packs, const Error& error);
  void fail(Flight& flight, const Error& error);
  void count_time(Time batch_time);
  void doubt_time();
  void tell_time();
  void wait_for_results(std::unique_lock<std::mutex>& lock);
};

Status PackRunner::Impl::start(const FormerConfig& former_config) {
  former =
      std::make_unique<BatchFormer>(TRY(BatchFormer::create(executor->contract(), former_config)));
  former->record(config.record);
  outbox = Outbox(config.keep_order);
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

// A thread of ours goes on where memory could not be had. What it was at work on, and what waits,
// is answered with that.
void PackRunner::Impl::keep_up(void (Impl::*loop)()) {
  constexpr auto kPause = std::chrono::milliseconds(10);
  const auto run = [&]() -> Status {
    (this->*loop)();
    return {};
  };
  for (Status ended = guarded("pack runner", run); !ended.ok();
       ended = guarded("pack runner", run)) {
    const auto answer = [&]() -> Status {
      recover(loop == &Impl::pack, ended.error());
      return {};
    };
    while (!guarded("pack runner", answer).ok()) std::this_thread::sleep_for(kPause);
  }
}

void PackRunner::Impl::recover(bool packs, const Error& error) {
  std::unique_lock lock(mutex);
  std::unique_ptr<Flight>& mine = packs ? forming : landing;
  if (mine) fail(*mine, error);
  if (mine && packs) former->done(now());
  mine.reset();
  while (packs && !waiting.empty()) {
    const auto first = waiting.begin();
    former->cancel(first->first, now());
    outbox.put({first->first, std::move(first->second.done), error});
    waiting.erase(first);
  }
  room_came.notify_all();
  outbox.deliver(lock);
  results_went.notify_all();
}

void PackRunner::Impl::fail(Flight& flight, const Error& error) {
  for (size_t i = 0; i < flight.riders.size(); ++i) {
    const RequestId id = flight.batch.riders[i].id;
    riding.erase(id);
    if (!flight.riders[i].done) continue;
    ++former->metrics().failed;
    outbox.put({id, std::exchange(flight.riders[i].done, nullptr), error});
  }
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
  batch_times.push_back(batch_time);
  if (batch_times.size() > kBatchTimes) batch_times.pop_front();
  tell_time();
}

void PackRunner::Impl::tell_time() {
  const Time slowest = *std::max_element(batch_times.begin(), batch_times.end());
  if (slowest != former->batch_time()) former->set_batch_time(slowest, now());
}

// Where a slow batch keeps all requests with deadlines out, none would run to show a faster one. So
// each that an idle machine refuses makes what was measured count for less.
void PackRunner::Impl::doubt_time() {
  if (batch_times.empty() || former->in_flight() > 0 || former->waiting() > 0) return;
  for (Time& time : batch_times) time = std::max(time - time / 10, Time(1));
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
  waiting.emplace(id, Pending{std::move(request), std::move(done), since, arrival.deadline});
  if (former->worth_polling()) work_came.notify_one();
  return id;
}

bool PackRunner::Impl::cancel(RequestId id) {
  std::unique_lock lock(mutex);
  Done done;
  if (former->cancel(id, now())) {
    const auto place = waiting.find(id);
    done = std::move(place->second.done);
    waiting.erase(place);
    room_came.notify_all();
  } else if (const auto place = riding.find(id); place != riding.end()) {
    done = std::exchange(place->second->done, nullptr);
    riding.erase(place);
    ++former->metrics().cancelled;
    ++former->metrics().cancelled_in_flight;
  }
  if (!done) return false;
  lock.unlock();
  done(typed("is cancelled, must be left alone to be answered", rejection::kCancelled));
  lock.lock();
  outbox.mark_gone(id);
  outbox.deliver(lock);  // in order, others may have waited for this one
  results_went.notify_all();
  return true;
}

// The packer's thread: closes batches, makes their tensors and starts them.
void PackRunner::Impl::pack() {
  std::unique_lock lock(mutex);
  for (;;) {
    BatchFormer::Poll poll = former->poll(now());
    if (!poll.missed.empty()) miss(poll.missed, lock);
    if (poll.batch) send(std::move(*poll.batch), lock);
    if (poll.batch || !poll.missed.empty()) continue;
    if (former->closed() && former->waiting() == 0) break;
    const Time wake = former->next_wake(now());
    if (wake == kNever)
      work_came.wait(lock);
    else
      work_came.wait_until(lock, began + wake);
  }
  packer_ended = true;
  flight_came.notify_one();
}

void PackRunner::Impl::miss(const std::vector<RequestId>& missed,
                            std::unique_lock<std::mutex>& lock) {
  for (const RequestId id : missed) {
    const auto place = waiting.find(id);
    outbox.put({id, std::move(place->second.done),
                typed("its deadline went out of reach while it waited, must be later",
                      rejection::kDeadlineMissed)});
    waiting.erase(place);
  }
  room_came.notify_all();
  outbox.deliver(lock);
  results_went.notify_all();
}

void PackRunner::Impl::send(FormedBatch batch, std::unique_lock<std::mutex>& lock) {
  forming = std::make_unique<Flight>();
  Flight* const flight = forming.get();
  flight->packing_began = now();
  flight->batch = std::move(batch);
  flight->riders.reserve(flight->batch.riders.size());
  std::vector<const Request*> requests;
  for (const FormedBatch::Rider& rider : flight->batch.riders) {
    const auto place = waiting.find(rider.id);
    flight->riders.push_back(std::move(place->second));
    waiting.erase(place);
    requests.push_back(&flight->riders.back().request);
    riding[rider.id] = &flight->riders.back();
  }
  room_came.notify_all();
  lock.unlock();
  const auto number = static_cast<uint64_t>(flight->batch.number);
  flight->started = guarded("pack runner", [&]() -> Status {
    flight->running = executor->start(flight->batch.packed, requests, number);
    return {};
  });
  lock.lock();
  const Time took = now() - flight->packing_began;
  former->metrics().pack_seconds.add(std::chrono::duration<double>(took).count());
  flights.push_back(std::move(forming));
  flight_came.notify_one();
}

// The deliverer's thread: waits for each batch in turn and hands out its answers.
void PackRunner::Impl::deliver() {
  std::unique_lock lock(mutex);
  for (;;) {
    flight_came.wait(lock, [&] { return packer_ended || !flights.empty(); });
    if (flights.empty()) return;
    landing = std::move(flights.front());
    flights.pop_front();
    lock.unlock();
    land(*landing);
    lock.lock();
    landing.reset();
  }
}

void PackRunner::Impl::land(Flight& flight) {
  Expected<std::vector<Answer>> answers =
      guarded("pack runner", [&]() -> Expected<std::vector<Answer>> {
        TRY(std::move(flight.started));
        return flight.running->finish();
      });
  std::unique_lock lock(mutex);
  const Time end = now();
  former->done(end);
  count_time(end - std::max(machine_since, flight.packing_began));
  machine_since = end;
  const FormedBatch& batch = flight.batch;
  const double seconds = std::chrono::duration<double>(end - flight.packing_began).count();
  records.push_back({static_cast<uint64_t>(batch.number), std::ssize(batch.riders),
                     batch.packed.tokens, batch.reason, seconds});
  if (records.size() > config.max_records) records.pop_front();
  work_came.notify_one();
  OnlineMetrics& metrics = former->metrics();
  for (size_t i = 0; i < flight.riders.size(); ++i) {
    Pending& rider = flight.riders[i];
    if (!rider.done) continue;  // cancelled
    const RequestId id = batch.riders[i].id;
    riding.erase(id);
    if (!answers) {
      ++metrics.failed;
      outbox.put({id, std::move(rider.done), answers.error()});
      continue;
    }
    ++metrics.answered;
    if (end > rider.deadline) ++metrics.missed_answered;
    metrics.answer_seconds.add(std::chrono::duration<double>(end - rider.since).count());
    outbox.put({id, std::move(rider.done), std::move((*answers)[i])});
  }
  outbox.deliver(lock);
  results_went.notify_all();
}

void PackRunner::Impl::wait_for_results(std::unique_lock<std::mutex>& lock) {
  const RequestId below = former->next_id();
  results_went.wait(lock, [&] { return outbox.all_gone_below() >= below; });
}

PackRunner::PackRunner() : impl_(std::make_unique<Impl>()) {}
PackRunner::~PackRunner() {
  if (impl_->packer.joinable()) close();
}

Expected<std::unique_ptr<PackRunner>> PackRunner::create(std::shared_ptr<ModelRunner> runner,
                                                         const PackRunnerConfig& config) {
  const BatchRunnerOptions options{config.zero_delimiters, config.strip_padding};
  std::shared_ptr<BatchExecutor> executor =
      TRY(guarded("pack runner", [&] { return BatchRunner::create(*runner, options); }));
  PackRunnerConfig rest = config;
  rest.zero_delimiters = 0;
  rest.strip_padding = false;
  std::unique_ptr<PackRunner> out = TRY(create(std::move(executor), rest));
  out->impl_->runner = std::move(runner);
  return out;
}

Expected<std::unique_ptr<PackRunner>> PackRunner::create(std::shared_ptr<BatchExecutor> executor,
                                                         const PackRunnerConfig& config) {
  if (config.zero_delimiters != 0 || config.strip_padding) {
    return Error{
        "pack runner: zero_delimiters and strip_padding are the executor's, must be left "
        "out where one is given",
        ErrorKind::Usage};
  }
  return guarded("pack runner", [&] { return create_unguarded(std::move(executor), config); });
}

Expected<std::unique_ptr<PackRunner>> PackRunner::create_unguarded(
    std::shared_ptr<BatchExecutor> executor, const PackRunnerConfig& config) {
  std::unique_ptr<PackRunner> out(new PackRunner);
  out->impl_->executor = std::move(executor);
  out->impl_->config = config;
  FormerConfig former;
  former.rule = config.rule;
  former.pinned = config.pinned;
  former.timeout = to_time(config.timeout);
  former.most_requests = config.max_valid_num;
  former.max_queue = static_cast<int64_t>(config.max_queue);
  former.max_queue_tokens = config.max_queue_tokens;
  former.margin = to_time(config.margin);
  former.lead = to_time(config.lead);
  TRY(out->impl_->start(former));
  return out;
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

OnlineMetrics PackRunner::metrics() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->former->metrics();
}

}  // namespace tessera
