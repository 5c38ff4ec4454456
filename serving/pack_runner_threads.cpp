// SPDX-License-Identifier: Apache-2.0
// The two threads of a PackRunner: the packer closes batches and starts them, the deliverer waits
// for them and hands out their answers.
#include <chrono>

#include "serving/batch_former.h"
#include "serving/pack_runner_impl.h"
#include "serving/rejection.h"
#include "support/guard.h"

namespace tessera {

// A thread of ours goes on where memory could not be had. The request that it was at work on, and
// those that wait, are answered with that error.
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
  if (mine) handed.answer(mine->batch, mine->riders, {}, error, now(), former->metrics());
  if (mine && packs) former->done(now());
  mine.reset();
  if (packs) {
    for (const RequestId id : handed.waiting()) {
      former->cancel(id, now());
      handed.refuse(id, error);
    }
  }
  room_came.notify_all();
  handed.deliver(lock);
  results_went.notify_all();
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
  for (const RequestId id : missed)
    handed.refuse(id, {"request: its deadline went out of reach while it waited, must be later",
                       ErrorKind::Refused, rejection::kDeadlineMissed});
  room_came.notify_all();
  handed.deliver(lock);
  results_went.notify_all();
}

void PackRunner::Impl::send(FormedBatch batch, std::unique_lock<std::mutex>& lock) {
  forming = std::make_unique<Flight>();
  Flight* const flight = forming.get();
  flight->packing_began = now();
  flight->batch = std::move(batch);
  handed.board(flight->batch, flight->riders);
  std::vector<const Request*> requests;
  for (const Handed::Pending& rider : flight->riders) requests.push_back(&rider.request);
  room_came.notify_all();
  lock.unlock();
  const auto number = static_cast<uint64_t>(flight->batch.number);
  flight->started = guarded("pack runner", [&]() -> Status {
    flight->running = executor->start(flight->batch.packed, requests, number);
    return {};
  });
  lock.lock();
  flight->packed = now();
  const Time took = flight->packed - flight->packing_began;
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
  if (std::ssize(records) > config.max_records) records.pop_front();
  work_came.notify_one();
  const Ride ride{.reason = batch.reason,
                  .requests = std::ssize(batch.riders),
                  .tokens = batch.packed.tokens,
                  .cells = row_tokens(executor->contract()),
                  .pack = flight.packed - flight.packing_began,
                  .run = end - flight.packed};
  handed.answer(batch, flight.riders, ride, std::move(answers), end, former->metrics());
  handed.deliver(lock);
  results_went.notify_all();
}

}  // namespace tessera
