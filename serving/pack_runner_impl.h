// SPDX-License-Identifier: Apache-2.0
// The functions and the threads of a PackRunner share this. All of it stands under one mutex: the
// former, the requests that it knows by number (serving/handed.h) and the batches in flight. It is
// held for microseconds: tensors are made, batches run and callers called without it.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "serving/batch_executor.h"
#include "serving/batch_former.h"
#include "serving/batch_times.h"
#include "serving/handed.h"
#include "serving/pack_runner.h"

namespace tessera {

struct PackRunner::Impl {
  // A batch between its closing and its answers.
  struct Flight {
    FormedBatch batch;
    std::vector<Handed::Pending> riders;
    std::unique_ptr<RunningBatch> running;
    Status started;  // why nothing is running
    Time packing_began{0}, packed{0};
  };

  std::shared_ptr<ModelRunner> runner;  // of the executor, where that is ours
  std::shared_ptr<BatchExecutor> executor;
  PackRunnerConfig config;
  const std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();

  mutable std::mutex mutex;
  std::condition_variable work_came, room_came, flight_came, results_went;
  std::unique_ptr<BatchFormer> former;
  Handed handed{false};
  std::deque<std::unique_ptr<Flight>> flights;  // in the order of their start
  std::unique_ptr<Flight> forming, landing;     // of the packer and of the deliverer
  std::deque<BatchRecord> records;
  BatchTimes batch_times;
  Time machine_since{0};  // end of the last batch
  bool packer_ended = false;
  std::thread packer, deliverer;
  std::mutex joining;

  Time now() const { return std::chrono::steady_clock::now() - began; }
  Status start();
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
  void count_time(Time batch_time);
  void doubt_time();
  void tell_time();
  void wait_for_results(std::unique_lock<std::mutex>& lock);
};

}  // namespace tessera
