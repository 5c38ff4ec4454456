// SPDX-License-Identifier: Apache-2.0
// A model that this process serves, for the sections of bench_server.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/server.h"
#include "serving/pack_runner.h"
#include "support/expected.h"

namespace tessera::load {

inline constexpr const char* kModel = "bert";

// A model with its server, and a runner of the same kind beside it.
struct Served {
  std::unique_ptr<server::Server> server;
  std::shared_ptr<ModelRunner> model;
  std::unique_ptr<PackRunner> runner;
};
Expected<Served> serve(const std::string& popef, std::chrono::microseconds wait);
Status run_directly(PackRunner& runner, const std::vector<int32_t>& ids);

// Every caller takes the next request until none is left. Returns the seconds of all.
Expected<double> callers(int count, size_t requests,
                         const std::function<std::function<Status(size_t)>()>& make_caller);

double resident_mib();

}  // namespace tessera::load
