// SPDX-License-Identifier: Apache-2.0
#include "bench/load/served.h"

#include <atomic>
#include <fstream>
#include <thread>

#include "bench/speed/bench.h"

namespace tessera::load {

Expected<Served> serve(const std::string& popef, std::chrono::microseconds wait) {
  Served served;
  server::ServerOptions options;
  options.models = {
      {kModel, popef}
  };
  options.http.port = 0;
  options.http.max_connections = 1 << 20;
  options.grpc->port = 0;
  options.runner.runner.former.timeout = wait;
  options.runner.runner.warm_up = true;
  options.version = TESSERA_VERSION;
  served.server = TRY(server::Server::start(options));
  served.model = TRY(ModelRunner::load(popef));
  PackRunnerConfig config;
  config.former.timeout = wait;
  served.runner = TRY(PackRunner::create(served.model, config));
  return served;
}

namespace {

Request request_of(const std::vector<int32_t>& ids) {
  Request request;
  request.tokens["input_ids"] = ids;
  return request;
}

}  // namespace

Status run_directly(PackRunner& runner, const std::vector<int32_t>& ids) {
  auto submitted = TRY(runner.submit(request_of(ids)));
  TRY(submitted.answer.get());
  return {};
}

Expected<double> callers(int count, size_t requests,
                         const std::function<std::function<Status(size_t)>()>& make_caller) {
  std::atomic<size_t> next{0};
  std::vector<Status> results(static_cast<size_t>(count));
  std::vector<std::function<Status(size_t)>> calls;
  for (int i = 0; i < count; ++i) calls.push_back(make_caller());
  return speed::timed([&]() -> Status {
    std::vector<std::thread> threads;
    for (size_t t = 0; t < results.size(); ++t) {
      threads.emplace_back([&, t] {
        for (size_t i; results[t].ok() && (i = next++) < requests;) results[t] = calls[t](i);
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (Status& result : results) TRY(std::move(result));
    return {};
  });
}

double resident_mib() {
  std::ifstream statm("/proc/self/statm");
  int64_t all = 0, resident = 0;
  statm >> all >> resident;
  return static_cast<double>(resident) * 4096 / (1 << 20);
}

}  // namespace tessera::load
