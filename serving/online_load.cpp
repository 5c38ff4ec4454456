// SPDX-License-Identifier: Apache-2.0
#include "serving/online_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>

#include "serving/arrivals.h"
#include "serving/bench.h"
#include "support/file.h"
#include "support/lines.h"

namespace tessera {
namespace {

constexpr int64_t kMostDeadline = int64_t{3600} * 24 * 365 * 1'000'000;  // microseconds: a year
constexpr int64_t kMostRequests = 100'000'000;
constexpr int64_t kMostClients = 1024, kMostVirtualClients = 1 << 20;

Status check_load(const OnlineLoadOptions& options) {
  const auto refuse = [](std::string why) -> Status {
    return Error{std::move(why), ErrorKind::Usage};
  };
  if (options.requests < 1 || options.requests > kMostRequests)
    return refuse(fmt::format("requests: {}, must be in 1..{}", options.requests, kMostRequests));
  const int64_t most = options.is_virtual ? kMostVirtualClients : kMostClients;
  if (options.clients < 0 || options.clients > most)
    return refuse(fmt::format("clients: {}, must be in 1..{}", options.clients, most));
  if (!(options.rate >= 0 && options.rate <= 1e9))
    return refuse(fmt::format("rate: {}, must be in (0, 1e9] requests per second", options.rate));
  const int ways = (options.rate > 0) + (options.clients > 0) + !options.trace.empty();
  if (ways != 1)
    return refuse(
        fmt::format("rate, clients, trace: {} of them are given, must be one of them", ways));
  return {};
}

Status draw_requests(const OnlineLoadOptions& options, const PackingContract& contract,
                     int32_t vocabulary, OnlineLoad& load) {
  WorkloadOptions workload;
  workload.seed = options.seed;
  workload.count = options.requests;
  workload.average = options.avg_seq_len;
  workload.longest = options.max_seq_len > 0 ? options.max_seq_len : longest_request(contract);
  workload.vocabulary = vocabulary;
  load.workload = TRY(synthetic_workload(workload));
  const Time until = options.deadline > Time(0) ? options.deadline : kNever;
  for (const SyntheticRequest& request : load.workload)
    load.arrivals.push_back({
        Time(0), {std::ssize(request.ids), 0, until}
    });
  return {};
}

// Ids for lengths that a trace gives.
void draw_ids(const OnlineLoadOptions& options, int32_t vocabulary, OnlineLoad& load) {
  NumpyRandom random(options.seed);
  for (const TimedArrival& arrival : load.arrivals) {
    SyntheticRequest request;
    request.ids.resize(static_cast<size_t>(arrival.arrival.length));
    request.types.resize(request.ids.size());
    for (int32_t& id : request.ids)
      id = static_cast<int32_t>(random.below(static_cast<uint32_t>(vocabulary)));
    load.workload.push_back(std::move(request));
  }
}

std::vector<std::string_view> columns_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (;;) {
    const size_t comma = line.find(',');
    words.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return words;
    line.remove_prefix(comma + 1);
  }
}

template <class T>
bool read_cell(std::string_view word, T& value) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc() && end == word.data() + word.size();
}

Expected<TimedArrival> parse_arrival(std::string_view line, size_t columns) {
  const std::vector<std::string_view> words = columns_of(line);
  double seconds = 0;
  int64_t deadline = 0;
  TimedArrival out;
  const bool good = words.size() == columns && read_cell(words[0], seconds) &&
                    read_cell(words[1], out.arrival.length) &&
                    (columns < 3 || read_cell(words[2], out.arrival.priority)) &&
                    (columns < 4 || read_cell(words[3], deadline)) && seconds >= 0 &&
                    seconds <= 1e9 && deadline >= 0 && deadline <= kMostDeadline;
  if (!good)
    return Error{
        fmt::format("'{}', must be {} numbers as the first line names them", line, columns)};
  out.at = Time(std::llround(seconds * 1e9));
  if (deadline > 0) out.arrival.deadline = std::chrono::microseconds(deadline);
  return out;
}

}  // namespace

Expected<OnlineLoad> online_load(const OnlineLoadOptions& options, const PackingContract& contract,
                                 const Metadata* metadata) {
  TRY(check_load(options));
  const int32_t vocabulary = TRY(drawn_below(options.vocab, metadata, contract));
  OnlineLoad load;
  load.clients = options.clients;
  load.arrivals = options.trace;
  if (options.trace.empty()) {
    TRY(draw_requests(options, contract, vocabulary, load));
  } else if (!options.is_virtual) {
    draw_ids(options, vocabulary, load);
  }
  if (options.rate > 0) {
    PoissonClock clock(options.rate, options.seed);
    for (TimedArrival& arrival : load.arrivals) arrival.at = clock.next();
  }
  // A virtual run has no caller who could be told what is wrong with a request.
  const int64_t longest = longest_request(contract);
  for (size_t i = 0; options.is_virtual && i < load.arrivals.size(); ++i) {
    const int64_t length = load.arrivals[i].arrival.length;
    if (length < 1 || length > longest)
      return Error{fmt::format("request {}: has {} tokens, must have 1..{}", i, length, longest)};
  }
  return load;
}

Expected<std::vector<TimedArrival>> read_trace(const std::string& path) {
  constexpr std::string_view kHeader = "seconds,length,priority,deadline_microseconds";
  constexpr size_t kShown = 80;  // bytes of a wrong header
  const std::string text = TRY(read_text_file(path));
  std::vector<TimedArrival> arrivals;
  size_t columns = 0;
  const auto read_line = [&](const std::string& line, size_t number) -> Status {
    if (number > 1) {
      arrivals.push_back(TRY(parse_arrival(line, columns)));
      return {};
    }
    columns = columns_of(line).size();
    if (columns >= 2 && kHeader.substr(0, line.size()) == line &&
        (line.size() == kHeader.size() || kHeader[line.size()] == ','))
      return {};
    return Error{
        fmt::format("'{}', must name the columns: seconds,length[,priority"
                    "[,deadline_microseconds]], with a request on each line behind it",
                    line.substr(0, kShown))};
  };
  TRY(for_each_line(path, text, [&](std::string_view line, size_t number) -> Status {
    const Status status = read_line(std::string(line), number);
    if (status) return {};
    return Error{fmt::format("{}:{}: {}", path, number, status.error().message)};
  }));
  if (arrivals.empty()) return Error{path + ": has no request, must have at least one"};
  std::stable_sort(arrivals.begin(), arrivals.end(),
                   [](const auto& a, const auto& b) { return a.at < b.at; });
  return arrivals;
}

}  // namespace tessera
