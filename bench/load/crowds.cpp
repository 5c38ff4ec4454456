// SPDX-License-Identifier: Apache-2.0
// Connections by the thousand, and callers of every kind.
#include <fmt/format.h>
#include <sys/resource.h>

#include <atomic>
#include <random>

#include "bench/load/clients.h"
#include "bench/load/sections.h"
#include "bench/load/served.h"
#include "bench/speed/bench.h"

namespace tessera::load {

using speed::Spread;

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

namespace {

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

}  // namespace

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

}  // namespace tessera::load
