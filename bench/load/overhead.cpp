// SPDX-License-Identifier: Apache-2.0
// What REST and gRPC add to a small request, and to the tokens per second of many callers.
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "bench/load/clients.h"
#include "bench/load/sections.h"
#include "bench/load/served.h"
#include "bench/speed/bench.h"
#include "bench/speed/workload.h"

namespace tessera::load {

namespace {

double median_us(std::vector<double> seconds) {
  return 1e6 * speed::spread_of(std::move(seconds)).median;
}

Expected<double> seconds_of(int times, const std::function<Status()>& call) {
  std::vector<double> seconds;
  for (int i = 0; i < times; ++i) seconds.push_back(TRY(speed::timed(call)));
  return speed::spread_of(std::move(seconds)).median;
}

}  // namespace

Status measure_overhead(const Flags& flags, const std::string& popef, speed::Table& table) {
  const Served served = TRY(serve(popef, std::chrono::microseconds(0)));
  const std::vector<int32_t> ids = {1, 2, 3, 4, 5, 6, 7, 8};
  const auto rest = TRY(rest_client(served.server->http_port(), kModel));
  const auto grpc = TRY(grpc_client(served.server->grpc_port(), kModel));
  const auto through = [&](CallClient& client) {
    return [&]() -> Status {
      const Outcome outcome = TRY(client.infer({ids}));
      if (outcome.answer.size() == ids.size()) return {};
      return Error{
          fmt::format("an answer has {} numbers, must have {}", outcome.answer.size(), ids.size())};
    };
  };
  const std::function<Status()> direct = [&] { return run_directly(*served.runner, ids); };
  const auto turn = [](const std::function<Status()>& call) {
    return [call] { return seconds_of(200, call); };
  };
  const auto alive = [](CallClient& client) { return [&] { return client.ask_if_alive(); }; };
  const auto series =
      TRY(speed::alternate(flags.rounds, {turn(direct), turn(through(*rest)), turn(through(*grpc)),
                                          turn(alive(*rest)), turn(alive(*grpc))}));
  const char* names[] = {"", "REST, binary tensors", "gRPC"};
  const double goals[] = {0, 100, 60};
  for (const size_t way : {1, 2}) {
    table.add({.section = "overhead: one request of 8 tokens after the other, tiny model",
               .what = std::string(way == 1 ? "REST" : "gRPC") + ", whether the server is alive",
               .unit = "us",
               .is = speed::scaled(speed::spread_of(series[way + 2]), 1e6),
               .goal = {},
               .note = "a call of the protocol that no model has a part in, client and server"});
    std::vector<double> added;
    for (size_t i = 0; i < series[0].size(); ++i)
      added.push_back(1e6 * (series[way][i] - series[0][i]));
    table.add({.section = "overhead: one request of 8 tokens after the other, tiny model",
               .what = std::string(names[way]) + " over the runner itself",
               .unit = "us",
               .is = speed::spread_of(added),
               .goal = goals[way],
               .bound = speed::Bound::AtMost,
               .note = fmt::format("{:.0f} us against {:.0f} us, client and server together",
                                   median_us(series[way]), median_us(series[0]))});
  }
  return {};
}

Status measure_tokens(const Flags& flags, const std::string& popef, speed::Table& table) {
  const Served served = TRY(serve(popef, std::chrono::milliseconds(15)));
  std::vector<std::vector<int32_t>> requests;
  int64_t tokens = 0;
  for (Request& request : TRY(speed::sentence_requests())) {
    requests.push_back(std::move(request.tokens["input_ids"]));
  }
  std::shuffle(requests.begin(), requests.end(), std::mt19937(7));
  requests.resize(800);
  for (const auto& ids : requests) tokens += static_cast<int64_t>(ids.size());

  const int count = 4 * flags.callers;  // as many as fill batches
  const auto direct = [&] {
    return callers(count, requests.size(), [&] {
      return [&](size_t i) { return run_directly(*served.runner, requests[i]); };
    });
  };
  const auto through = [&](auto make_client) {
    return [&, make_client] {
      return callers(count, requests.size(), [&, make_client] {
        std::shared_ptr<CallClient> client = make_client();
        return [&, client](size_t i) -> Status {
          const Outcome outcome = TRY(client->infer({requests[i]}));
          if (outcome.answer.size() == requests[i].size()) return {};
          return Error{fmt::format("a call was refused with {}", outcome.status)};
        };
      });
    };
  };
  const auto series = TRY(speed::alternate(
      flags.rounds,
      {direct, through([&] { return rest_client(served.server->http_port(), kModel).take(); }),
       through([&] { return grpc_client(served.server->grpc_port(), kModel).take(); })}));
  const char* names[] = {"the runner itself", "REST, binary tensors", "gRPC"};
  const std::string section = fmt::format(
      "tokens: {} sentences by {} callers at once, MiniLM-sized, 16x256", requests.size(), count);
  for (size_t way = 0; way < 3; ++way) {
    std::vector<double> rates;
    for (const double seconds : series[way]) rates.push_back(static_cast<double>(tokens) / seconds);
    table.add({.section = section,
               .what = names[way],
               .unit = "tokens/s",
               .is = speed::spread_of(rates),
               .goal = {},
               .note = "host"});
  }
  for (const size_t way : {1, 2})
    table.add({.section = section,
               .what = std::string(names[way]) + " / the runner itself",
               .unit = "%",
               .is = speed::scaled(speed::ratio(series[0], series[way]), 100),
               .goal = 95,
               .note = "tokens/s, same requests"});
  return {};
}

}  // namespace tessera::load
