// SPDX-License-Identifier: Apache-2.0
#include "tools/bench_online_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <random>
#include <sstream>

#include "serving/arrivals.h"
#include "serving/batch_runner.h"
#include "serving/pack_runner.h"
#include "support/file.h"
#include "support/lines.h"
#include "tools/request_arrays.h"
#include "tools/runner_flags.h"
#include "tools/stranger_flags.h"
#include "tools/tensors.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

bool is_virtual(const po::variables_map& flags) { return flags["virtual"].as<bool>(); }

// From the executable, or form B by --rows and --row_length.
Status choose_contract(const po::variables_map& flags, OnlinePlan& plan) {
  if (flags["sandbox"].as<bool>())
    return Error{"bench --online: reads and writes logs as it goes, must be without --sandbox",
                 ErrorKind::Usage};
  const Words paths = flags.count("executables") ? flags["executables"].as<Words>() : Words();
  if (paths.size() > 1)
    return Error{"bench --online: several executables, must be one", ErrorKind::Usage};
  if (paths.size() == 1) {
    MachineOptions machine = TRY(machine_options(flags));
    machine.require_signature = TRY(required_key(flags));
    plan.runner = TRY(
        load_runner(TRY(open_popef(paths[0], machine.require_signature, machine.limits)), machine));
    const Metadata& metadata = plan.runner->executable().metadata;
    plan.contract = TRY(request_contract(metadata));
    // The requests of a bench leave these inputs out, and then they are 0.
    std::erase_if(plan.contract.token_inputs,
                  [&](const std::string& name) { return !shape_of_token(metadata, name).empty(); });
    return {};
  }
  if (!is_virtual(flags)) {
    return Error{
        "bench --online: no executable, must be one, or --virtual with --rows and "
        "--row_length",
        ErrorKind::Usage};
  }
  plan.contract.form = PackingForm::B;
  plan.contract.rows = TRY(number_flag(flags, "rows", 1, 1 << 20));
  plan.contract.row_length = TRY(number_flag(flags, "row_length", 1, 1 << 20));
  return {};
}

// What bench says by itself: warm_up is always on where batches are run, records are not read, the
// requests have no mask; and the flags that bench has without --online too.
bool is_online_flag(const RunnerOptionRow& row) {
  for (const char* name : {"policy", "timeout", "warm_up", "max_records", "strip_padding"})
    if (row.name == name) return false;
  return true;
}

// The runner measures a batch, or takes the target's time for it.
Status choose_host_time(const po::variables_map& flags, OnlinePlan& plan) {
  if (!flags["batch_microseconds"].defaulted()) {
    return Error{
        "--batch_microseconds: is for --virtual, must be left out where the host's time "
        "counts",
        ErrorKind::Usage};
  }
  const bool modelled = plan.options.runner.batch_time == BatchTime::Modelled;
  plan.batch_time = modelled ? "modelled" : "measured";
  return {};
}

// In virtual time nothing is late and packing takes none, so margins are what the caller says.
Status choose_virtual_time(const po::variables_map& flags, OnlinePlan& plan) {
  if (!flags["batch_time"].defaulted()) {
    return Error{
        "--batch_time: is for the host's time, must be left out with --virtual "
        "(--batch_microseconds says how long a batch takes)",
        ErrorKind::Usage};
  }
  FormerConfig& former = plan.former();
  if (flags["margin_microseconds"].defaulted()) former.margin = Time(0);
  if (flags["lead_microseconds"].defaulted()) former.lead = Time(0);
  former.batch_time = TRY(microseconds_flag(flags, "batch_microseconds"));
  plan.batch_time = "given";
  if (former.batch_time == Time(0) && plan.runner != nullptr) {
    const double modelled =
        seconds_of_batch(plan.runner->executable().metadata.cycles.seconds_per_batch);
    former.batch_time = Time(std::llround(modelled * 1e9));
    plan.batch_time = "modelled";
  }
  if (former.batch_time > Time(0)) return {};
  return Error{
      "bench --online: nothing says how long a batch takes, must be an executable or "
      "--batch_microseconds",
      ErrorKind::Usage};
}

Status choose_options(const po::variables_map& flags, OnlinePlan& plan) {
  TRY(set_runner_options(flags, plan.options));
  if (const int64_t free = plan.options.requests.zero_delimiters; free != 0) {
    if (plan.contract.form != PackingForm::B)
      return Error{"--zero_delimiters: is for form B, must be left out", ErrorKind::Usage};
    plan.contract.zero_delimiters = free;
  }
  return is_virtual(flags) ? choose_virtual_time(flags, plan) : choose_host_time(flags, plan);
}

Expected<int32_t> vocabulary(const po::variables_map& flags, const OnlinePlan& plan) {
  const Metadata* metadata = plan.runner ? &plan.runner->executable().metadata : nullptr;
  return vocabulary_of(flags["vocab"].as<int64_t>(), metadata, plan.contract);
}

Status draw_requests(const po::variables_map& flags, OnlinePlan& plan) {
  WorkloadOptions options;
  options.seed = flags["seed"].as<uint32_t>();
  options.count = TRY(number_flag(flags, "requests", 1, 100'000'000));
  options.average = flags["avg_seq_len"].as<double>();
  const auto longest = flags["max_seq_len"].as<int64_t>();
  options.longest = longest > 0 ? longest : longest_request(plan.contract);
  options.vocabulary = TRY(vocabulary(flags, plan));
  plan.workload = TRY(synthetic_workload(options));
  const Time deadline = TRY(microseconds_flag(flags, "deadline_microseconds"));
  for (const SyntheticRequest& request : plan.workload) {
    const Time until = deadline > Time(0) ? deadline : kNever;
    plan.arrivals.push_back({
        Time(0), {std::ssize(request.ids), 0, until}
    });
  }
  return {};
}

// Ids for lengths that a trace gives.
Status draw_ids(const po::variables_map& flags, OnlinePlan& plan) {
  NumpyRandom random(flags["seed"].as<uint32_t>());
  const auto below = static_cast<uint32_t>(TRY(vocabulary(flags, plan)));
  for (const TimedArrival& arrival : plan.arrivals) {
    SyntheticRequest request;
    request.ids.resize(static_cast<size_t>(arrival.arrival.length));
    request.types.resize(request.ids.size());
    for (int32_t& id : request.ids) id = static_cast<int32_t>(random.below(below));
    plan.workload.push_back(std::move(request));
  }
  return {};
}

Status choose_requests(const po::variables_map& flags, OnlinePlan& plan) {
  const bool rate = !flags["rate"].defaulted(), trace = flags.count("trace") > 0,
             clients = !flags["clients"].defaulted();
  if (rate + trace + clients != 1) {
    return Error{
        "bench --online: must have one of --rate R, --trace FILE, --clients N and --replay "
        "FILE",
        ErrorKind::Usage};
  }
  if (trace) {
    plan.arrivals = TRY(read_trace(flags["trace"].as<std::string>()));
    if (!is_virtual(flags)) TRY(draw_ids(flags, plan));
  } else {
    TRY(draw_requests(flags, plan));
  }
  if (clients)
    plan.clients = TRY(number_flag(flags, "clients", 1, is_virtual(flags) ? 1 << 20 : 1024));
  if (rate) {
    const auto per_second = flags["rate"].as<double>();
    if (!(per_second > 0 && per_second <= 1e9))
      return Error{fmt::format("--rate: {}, must be in (0, 1e9] requests per second", per_second),
                   ErrorKind::Usage};
    PoissonClock clock(per_second, flags["seed"].as<uint32_t>());
    for (TimedArrival& arrival : plan.arrivals) arrival.at = clock.next();
  }
  // A virtual run has no caller who could be told what is wrong with a request.
  const int64_t longest = longest_request(plan.contract);
  for (size_t i = 0; is_virtual(flags) && i < plan.arrivals.size(); ++i) {
    const int64_t length = plan.arrivals[i].arrival.length;
    if (length < 1 || length > longest)
      return Error{fmt::format("request {}: has {} tokens, must have 1..{}", i, length, longest)};
  }
  return {};
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> words;
  for (;;) {
    const size_t comma = line.find(',');
    words.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return words;
    line.remove_prefix(comma + 1);
  }
}

template <class T>
bool parse(std::string_view word, T& value) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc() && end == word.data() + word.size();
}

Expected<TimedArrival> parse_arrival(std::string_view line, size_t columns) {
  const std::vector<std::string_view> words = split(line);
  double seconds = 0;
  int64_t deadline = 0;
  TimedArrival out;
  const bool good = words.size() == columns && parse(words[0], seconds) &&
                    parse(words[1], out.arrival.length) &&
                    (columns < 3 || parse(words[2], out.arrival.priority)) &&
                    (columns < 4 || parse(words[3], deadline)) && seconds >= 0 && seconds <= 1e9 &&
                    deadline >= 0 && deadline <= kMostMicroseconds;
  if (!good)
    return Error{
        fmt::format("'{}', must be {} numbers as the first line names them", line, columns)};
  out.at = Time(std::llround(seconds * 1e9));
  if (deadline > 0) out.arrival.deadline = std::chrono::microseconds(deadline);
  return out;
}

}  // namespace

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
    columns = split(line).size();
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

po::options_description online_plan_flags() {
  po::options_description online("Online (with --online)");
  const auto number = [](int64_t usual) { return po::value<int64_t>()->default_value(usual); };
  online.add_options()("rate", po::value<double>()->default_value(0),
                       "requests come as a Poisson process, so many a second")(
      "trace", po::value<std::string>(),
      "requests come as a CSV file says: a first line seconds,length[,priority"
      "[,deadline_microseconds]], then a request a line")(
      "clients", number(0), "requests come from so many clients, each after its last answer")(
      "requests", number(2000), "how many come, with --rate or --clients")(
      "deadline_microseconds", number(0), "of each, from its arrival on; 0: none")(
      "virtual", po::bool_switch(),
      "virtual time: nothing is run, each batch takes the modelled time; deterministic")(
      "batch_microseconds", number(0), "--virtual: what a batch takes; 0: as modelled")(
      "rows", number(16), "--virtual without an executable: rows of a batch (form B)")(
      "row_length", number(256), "and their tokens");
  add_runner_flags(online, is_online_flag);
  return online;
}

Expected<OnlinePlan> online_plan(const po::variables_map& flags) {
  OnlinePlan plan;
  TRY(choose_contract(flags, plan));
  TRY(choose_options(flags, plan));
  TRY(choose_requests(flags, plan));
  return plan;
}

}  // namespace tessera::tools
