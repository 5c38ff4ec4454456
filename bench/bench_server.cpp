// SPDX-License-Identifier: Apache-2.0
// This bench measures the cost of serving. The server runs in this process, and its clients use
// real sockets; the same requests go to the same kind of PackRunner directly, for comparison.
#include <fmt/format.h>
#include <sys/resource.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <functional>
#include <iostream>
#include <random>
#include <thread>

#include "bench/bench_folder.h"
#include "bench/command_line.h"
#include "bench/load/clients.h"
#include "bench/speed/bench.h"
#include "bench/speed/workload.h"
#include "server/server.h"
#include "serving/pack_runner.h"

namespace tessera::load {
namespace {

namespace po = tools::po;
using speed::Spread;
using Clock = std::chrono::steady_clock;

constexpr const char* kModel = "bert";

struct Flags {
  int requests = 20'000;  // mixed ones
  int connections = 10'000;
  int rounds = 5;
  int callers = 32;
  bool json = false;
};

// A model with its server, and a runner of the same kind beside it.
struct Served {
  std::unique_ptr<server::Server> server;
  std::shared_ptr<ModelRunner> model;
  std::unique_ptr<PackRunner> runner;
};

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

Request request_of(const std::vector<int32_t>& ids) {
  Request request;
  request.tokens["input_ids"] = ids;
  return request;
}

Status run_directly(PackRunner& runner, const std::vector<int32_t>& ids) {
  auto submitted = TRY(runner.submit(request_of(ids)));
  TRY(submitted.answer.get());
  return {};
}

double median_us(std::vector<double> seconds) {
  return 1e6 * speed::spread_of(std::move(seconds)).median;
}

// --- What REST and gRPC add to a small request ---

Expected<double> seconds_of(int times, const std::function<Status()>& call) {
  std::vector<double> seconds;
  for (int i = 0; i < times; ++i) seconds.push_back(TRY(speed::timed(call)));
  return speed::spread_of(std::move(seconds)).median;
}

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

// --- Tokens per second of many callers ---

// Every caller takes the next request until none is left.
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

// --- Many connections ---

double resident_mib() {
  std::ifstream statm("/proc/self/statm");
  int64_t all = 0, resident = 0;
  statm >> all >> resident;
  return static_cast<double>(resident) * 4096 / (1 << 20);
}

Status measure_connections(const Flags& flags, const std::string& popef, speed::Table& table) {
  rlimit most{};
  ::getrlimit(RLIMIT_NOFILE, &most);
  most.rlim_cur = most.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &most);
  const std::string section = "connections: open at once, each having made a call";
  // A client and the server have one descriptor each.
  if (static_cast<int64_t>(most.rlim_cur) < 2 * flags.connections + 500) {
    table.leave_out(section, fmt::format("{} connections", flags.connections),
                    fmt::format("a process may have {} files here", most.rlim_cur));
    return {};
  }
  const Served served = TRY(serve(popef, std::chrono::microseconds(0)));
  const std::vector<int32_t> ids = {1, 2, 3};
  std::vector<std::unique_ptr<CallClient>> clients;
  double before = 0;
  for (int64_t i = 0; i < flags.connections; ++i) {
    clients.push_back(TRY(rest_client(served.server->http_port(), kModel)));
    const Outcome outcome = TRY(clients.back()->infer({ids}));
    if (outcome.status != 200) return Error{fmt::format("refused with {}", outcome.status)};
    if (i == 100) before = resident_mib();
  }
  const double each = 1024 * (resident_mib() - before) / static_cast<double>(flags.connections);
  std::vector<double> seconds;
  for (size_t i = 0; i < clients.size(); i += clients.size() / 50 + 1)
    seconds.push_back(TRY(speed::timed([&]() -> Status {
      const Outcome outcome = TRY(clients[i]->infer({ids}));
      if (outcome.status == 200) return {};
      return Error{fmt::format("refused with {}", outcome.status)};
    })));
  table.add({.section = section,
             .what = fmt::format("{} connections, a call on one of them", flags.connections),
             .unit = "us",
             .is = speed::scaled(speed::spread_of(seconds), 1e6),
             .goal = {},
             .note = fmt::format("{:.1f} KiB a connection, of client and server together", each)});
  return {};
}

// --- Callers of every kind ---

struct Tally {
  std::atomic<int64_t> answered{0}, refused{0}, broken{0}, crossed{0}, lost{0};
};

Status one_mixed(std::mt19937& random, const Served& served, CallClient& rest, CallClient& grpc,
                 const std::vector<std::vector<float>>& answers, Tally& tally) {
  const int64_t kind = random() % 20;
  const size_t which = random() % answers.size();
  Call call{
      {static_cast<int32_t>(which), 1, static_cast<int32_t>(which)},
      {}
  };
  if (kind == 0) {
    const std::string bytes(random() % 500, static_cast<char>(random() % 256));
    send_raw(served.server->http_port(), bytes);
    ++tally.broken;
    return {};
  }
  if (kind == 1) {  // gone before its answer
    send_raw(served.server->http_port(),
             "POST /v2/models/bert/infer HTTP/1.1\r\nHost: t\r\nContent-Length: 5000\r\n\r\n{");
    ++tally.broken;
    return {};
  }
  if (kind == 2) call.ids = std::vector<int32_t>(100'000, 1);  // longer than a row
  if (kind == 3) call.timeout = std::chrono::microseconds(1 + random() % 2000);
  if (kind == 4) call.ids[0] = -5;
  CallClient& client = random() % 2 == 0 ? rest : grpc;
  const Outcome outcome = TRY(client.infer(call));
  if (outcome.answer.empty()) {
    if (kind > 4) ++tally.lost;
    ++tally.refused;
    return {};
  }
  ++tally.answered;
  if (outcome.answer != answers[which]) ++tally.crossed;
  return {};
}

Status measure_mixed(const Flags& flags, const std::string& popef, speed::Table& table) {
  const Served served = TRY(serve(popef, std::chrono::microseconds(500)));
  std::vector<std::vector<float>> answers;
  const auto alone = TRY(rest_client(served.server->http_port(), kModel));
  for (int32_t i = 0; i < 90; ++i) {
    Outcome outcome = TRY(alone->infer({
        {i, 1, i},
        {}
    }));
    answers.push_back(std::move(outcome.answer));
  }
  Tally tally;
  double before = 0;
  std::atomic<int64_t> made{0};
  std::atomic<int32_t> seed{0};
  const double seconds = TRY(callers(flags.callers, static_cast<size_t>(flags.requests), [&] {
    std::shared_ptr<CallClient> rest = rest_client(served.server->http_port(), kModel).take();
    std::shared_ptr<CallClient> grpc = grpc_client(served.server->grpc_port(), kModel).take();
    auto random = std::make_shared<std::mt19937>(static_cast<uint32_t>(++seed));
    return [&, rest, grpc, random](size_t) {
      if (++made == flags.requests / 10) before = resident_mib();
      return one_mixed(*random, served, *rest, *grpc, answers, tally);
    };
  }));
  const double grown = resident_mib() - before;
  const std::string section = fmt::format(
      "mixed: {} calls by {} callers: good ones, deadlines of 0 to 2 ms, too long, "
      "wrong ids, garbage, half requests",
      flags.requests, flags.callers);
  const auto count = [&](const char* what, int64_t is, std::optional<double> goal) {
    const auto value = static_cast<double>(is);
    table.add({
        .section = section,
        .what = what,
        .unit = "calls",
        .is = Spread{value, value, value},
        .goal = goal,
        .bound = speed::Bound::AtMost,
        .note = ""
    });
  };
  count("answered", tally.answered, {});
  count("refused by type", tally.refused, {});
  count("garbage and half requests", tally.broken, {});
  count("good ones without an answer", tally.lost, 0);
  count("with another caller's answer", tally.crossed, 0);
  table.add({
      .section = section,
      .what = "resident memory since the first tenth",
      .unit = "MiB",
      .is = Spread{grown, grown, grown},
      .goal = 16,
      .bound = speed::Bound::AtMost,
      .note = fmt::format("{:.0f} s", seconds)
  });
  return {};
}

// --- The command ---

po::options_description command_flags() {
  po::options_description flags("bench_server");
  flags.add_options()("only", po::value<std::string>(),
                      "one of overhead, tokens, connections, mixed")(
      "json", po::bool_switch(), "print JSON")("rounds", po::value<int>(), "5 unless given")(
      "requests", po::value<int>(), "of the section mixed; 20,000 unless given")(
      "connections", po::value<int>(), "10,000 unless given")("callers", po::value<int>(),
                                                              "at once; 32 unless given");
  return flags;
}

void print_help() {
  fmt::print(
      "usage: bench_server [--only SECTION] [--json] [--rounds N] [--requests N]\n"
      "                    [--connections N] [--callers N]\n\n"
      "Measures `tessera serve` beside the runner that it serves: what REST and gRPC add to a "
      "small\n"
      "request, tokens per second of many callers, connections held open, and callers of every "
      "kind.\n"
      "Server and clients share this host's processors.\n\n");
  std::cout << command_flags() << std::flush;
  fmt::print("\nexample: bench_server --only mixed --requests 1000000\n");
}

Status run(const po::variables_map& map) {
  Flags flags;
  flags.json = map["json"].as<bool>();
  TRY(set_positive(map, "rounds", flags.rounds));
  TRY(set_positive(map, "requests", flags.requests));
  TRY(set_positive(map, "connections", flags.connections));
  TRY(set_positive(map, "callers", flags.callers));
  const std::string only = map.contains("only") ? map["only"].as<std::string>() : "";

  const BenchFolder folder("bench_server");
  if (folder.path().empty()) return Error{"no temporary folder can be made, must be for models"};
  const auto bench = TRY(speed::Bench::create(folder.path(), {}));
  const auto popef_of = [&](const std::string& preset, int64_t rows,
                            int64_t length) -> Expected<std::string> {
    CompileOptions options = speed::bert_options(rows, length);
    options.passes = {"insert_attention_mask"};
    options.target = speed::roomy_target(1472);
    const std::string model = TRY(bench->model(preset, TRY(make_model_preset(preset))));
    return bench->executable(preset, model, options);
  };
  const struct {
    const char *name, *preset;
    int64_t rows, length;
    Status (*measure)(const Flags&, const std::string&, speed::Table&);
  } sections[] = {
      {"overhead",    "tiny",   4,  32,  measure_overhead   },
      {"tokens",      "minilm", 16, 256, measure_tokens     },
      {"connections", "tiny",   4,  32,  measure_connections},
      {"mixed",       "tiny",   4,  32,  measure_mixed      }
  };
  bool any = false;
  for (const auto& section : sections) {
    if (!only.empty() && only != section.name) continue;
    any = true;
    const size_t before = bench->table().rows().size();
    const std::string popef = TRY(popef_of(section.preset, section.rows, section.length));
    TRY(section.measure(flags, popef, bench->table()));
    if (!flags.json) fmt::print("{}", bench->table().text(before));
  }
  if (!any)
    return Error{fmt::format("--only: '{}', must be overhead, tokens, connections or mixed", only),
                 ErrorKind::Usage};
  if (flags.json) fmt::print("{}\n", bench->table().json().dump(2));
  return {};
}

}  // namespace
}  // namespace tessera::load

int main(int argc, char** argv) {
  using namespace tessera::load;
  return tessera::bench_main({"bench_server", command_flags(), print_help, run}, argc, argv);
}
