// SPDX-License-Identifier: Apache-2.0
#include "session/advise.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "packing/lengths.h"
#include "packing/offline.h"
#include "session/buckets.h"
#include "session/compile_slips.h"
#include "session/key.h"
#include "session/log_sum.h"
#include "session/saved_seconds.h"
#include "support/file_names.h"
#include "support/math.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

using Events = std::vector<const RecompileEvent*>;

struct Batch {
  int64_t rows = 0, tokens = 0;
};

// [rows,tokens] of input_ids, or of the first input; nothing if that has other axes.
std::optional<Batch> batch_of(const InputShapes& shapes) {
  auto input = shapes.find("input_ids");
  if (input == shapes.end()) input = shapes.begin();
  if (input == shapes.end() || input->second.size() != 2) return std::nullopt;
  const Batch batch{input->second[0], input->second[1]};
  if (batch.rows < 1 || batch.tokens < 1) return std::nullopt;
  return batch;
}

// The work that was asked for: batches by length, each of the most rows that any had.
struct Demand {
  BatchesByLength batches;
  int64_t rows = 0;
  int64_t number = 0;
  int64_t useful_tokens = 0;  // of batches or, where they are none, elements
  bool all_are_batches = true;
  std::map<int64_t, int64_t> requests;  // rows by length
  int64_t all_requests = 0;
  std::map<InputShapes, int64_t> shapes;

  void add(const InputShapes& asked, int64_t count) {
    int64_t& of_shapes = shapes[asked];
    of_shapes = add_times(of_shapes, count, 1);
    number = add_times(number, count, 1);
    useful_tokens = add_times(useful_tokens, count, elements_of(asked));
    const std::optional<Batch> batch = batch_of(asked);
    if (!batch) {
      all_are_batches = false;
      return;
    }
    int64_t& of_length = batches[batch->tokens];
    of_length = add_times(of_length, count, 1);
    int64_t& rows_of_length = requests[batch->tokens];
    rows_of_length = add_times(rows_of_length, count, batch->rows);
    all_requests = add_times(all_requests, count, batch->rows);
    rows = std::max(rows, batch->rows);
  }
};

Demand demand_of(const Events& events) {
  Demand demand;
  for (const RecompileEvent* event : events) {
    const bool asked = event->request_id >= 0 || event->requests_blocked > 0;
    const bool served = event->error.empty() || event->kind == EventKind::Rejected;
    if (asked && served && event->kind != EventKind::Evicted) demand.add(event->shapes, 1);
    for (const ServedShapes& other : event->served) demand.add(other.shapes, other.batches);
  }
  return demand;
}

// Seconds of a compile, as a line in the elements of a batch; a process pays `first` once.
struct CompileCost {
  double constant = 0, slope = 0, first = 0;
  double of(double elements) const { return std::max(0.0, constant + slope * elements); }
};

CompileCost fit_cost(const Events& compiles) {
  // The first compile of a process prepares codelets for those that follow: not on the line,
  // unless there is nothing else.
  Events warm, cold;
  std::set<std::string> runs;
  for (const RecompileEvent* event : compiles)
    (runs.insert(event->run_id).second ? cold : warm).push_back(event);
  const Events& on_line = warm.empty() ? cold : warm;
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const RecompileEvent* event : on_line) {
    const auto elements = static_cast<double>(elements_of(event->shapes));
    const double seconds = event->wall_ms / 1e3;
    n += 1;
    x += elements;
    y += seconds;
    xx += elements * elements;
    xy += elements * seconds;
  }
  CompileCost cost;
  if (n == 0) return cost;
  const double spread = n * xx - x * x;
  cost.slope = spread > 0 ? std::max(0.0, (n * xy - x * y) / spread) : 0;
  cost.constant = (y - cost.slope * x) / n;
  if (cost.constant < 0) {  // through the origin
    cost.constant = 0;
    cost.slope = y / x;
  }
  for (const RecompileEvent* event : cold)
    cost.first += event->wall_ms / 1e3 - cost.of(static_cast<double>(elements_of(event->shapes)));
  cost.first = cold.empty() ? 0 : std::max(0.0, cost.first / static_cast<double>(cold.size()));
  return cost;
}

class Options {
 public:
  Options(const std::string& model, const std::string& flags, const Demand& demand,
          const CompileCost& cost, int64_t runs)
      : model_(model), flags_(flags), demand_(demand), cost_(cost), runs_(runs) {}

  ServingOption buckets(int64_t most) const {
    const std::vector<int64_t> lengths = fit_buckets(demand_.batches, most);
    ServingOption option;
    option.name =
        lengths.size() == 1 ? "pad to one shape" : fmt::format("{} fitted buckets", lengths.size());
    for (const int64_t length : lengths) option.shapes.push_back(with_length(length));
    const double computed =
        static_cast<double>(demand_.rows) * padded_tokens(demand_.batches, lengths);
    option.useful_share = static_cast<double>(demand_.useful_tokens) / computed;
    option.command =
        fmt::format("tessera run {}{} --on_recompile pad --recompile_limit 0 --warm_up",
                    shell_word(model_), flags_);
    for (const InputShapes& shapes : option.shapes) option.command += " " + in_words(shapes);
    price(option);
    return option;
  }

  // Not where a log speaks of lengths or counts that no requests have: a histogram has room for
  // each length up to the longest.
  bool can_pack() const {
    return demand_.batches.rbegin()->first <= kLongestLength && demand_.all_requests < kMostOfLog;
  }
  // Rows of the longest length, filled by the histogram: what form B of packing would do, had it
  // all requests at hand.
  ServingOption packing() const {
    const int64_t longest = demand_.batches.rbegin()->first;
    LengthHistogram histogram;
    histogram.counts.resize(static_cast<size_t>(longest) + 1);
    for (const auto& [length, count] : demand_.requests)
      histogram.counts[static_cast<size_t>(length)] = count;
    const std::vector<BinGroup> rows = pack_histogram(histogram, longest, 0, PackPolicy::Lpfhp);
    const int64_t batches = ceil_div(bin_count(rows), demand_.rows);
    ServingOption option;
    option.name = "packing";
    option.shapes = {with_length(longest)};
    option.useful_share = static_cast<double>(demand_.useful_tokens) /
                          (static_cast<double>(batches) * static_cast<double>(demand_.rows) *
                           static_cast<double>(longest));
    const bool is_packed = flags_.find("--pack_args ") != std::string::npos;  // in form A
    option.command = fmt::format(
        "tessera compile --input_model {}{} --input_shape {}{} -o packed.popef && tessera run "
        "packed.popef --policy lpfhp --requests FOLDER --outputs FOLDER",
        shell_word(model_), flags_, in_words(option.shapes[0]),
        is_packed ? "" : " --passes insert_attention_mask");
    price(option);
    return option;
  }

 private:
  // The inputs of some batch, as large as the largest and this long.
  InputShapes with_length(int64_t length) const {
    InputShapes shapes = demand_.shapes.begin()->first;
    for (auto& [name, shape] : shapes) shape = {demand_.rows, length};
    return shapes;
  }
  static std::string in_words(const InputShapes& shapes) {
    const auto ids = shapes.find("input_ids");
    const auto& [name, shape] = ids == shapes.end() ? *shapes.begin() : *ids;
    return shell_word(fmt::format("{}={},{}", name_in_word(name), shape[0], shape[1]));
  }
  void price(ServingOption& option) const {
    option.executables = static_cast<int64_t>(option.shapes.size());
    double seconds = cost_.first;
    for (const InputShapes& shapes :
         option.shapes) {  // the most rows and the longest may be of two
      const Shape& batch = shapes.begin()->second;
      seconds += cost_.of(static_cast<double>(batch[0]) * static_cast<double>(batch[1]));
    }
    option.compile_seconds = seconds * static_cast<double>(runs_);
  }

  const std::string &model_, &flags_;
  const Demand& demand_;
  const CompileCost& cost_;
  int64_t runs_;  // processes that compile for themselves
};

// Among options that save something: the fewest executables that waste hardly more than the best.
int64_t recommend(const std::vector<ServingOption>& options) {
  constexpr double kHardlyMore = 0.05;
  double best = 0;
  for (size_t i = 1; i < options.size(); ++i)
    if (options[i].saved_seconds > 0) best = std::max(best, options[i].useful_share);
  int64_t chosen = -1;
  for (size_t i = 1; i < options.size(); ++i) {
    const ServingOption& option = options[i];
    if (option.useful_share < best - kHardlyMore || option.saved_seconds <= 0) continue;
    const auto rank = [](const ServingOption& o) {
      return std::pair(o.executables, -o.useful_share);
    };
    if (chosen < 0 || rank(option) < rank(options[static_cast<size_t>(chosen)]))
      chosen = static_cast<int64_t>(i);
  }
  return chosen;
}

void add_options(Advice& advice, const Demand& demand, const Events& compiles) {
  std::set<std::string> runs;
  bool shared = false;
  for (const RecompileEvent* event : compiles) {
    runs.insert(event->run_id);
    shared |= !event->cache.path.empty();
  }
  std::set<InputShapes> compiled;
  for (const RecompileEvent* event : compiles) compiled.insert(event->shapes);
  ServingOption log{.name = "as in the log",
                    .executables = std::ssize(compiled),
                    .compile_seconds = advice.compile_seconds,
                    .saved_seconds = 0,
                    .useful_share = 1,
                    .shapes = {},
                    .command = {}};
  advice.options.push_back(std::move(log));
  const CompileCost cost = fit_cost(compiles);
  const std::string flags = flags_of(*compiles.back());
  const Options options(advice.model, flags, demand, cost, shared ? 1 : std::ssize(runs));
  for (const int64_t most : {1, 2, 3, 4, 6, 8})
    if (most <= advice.lengths) advice.options.push_back(options.buckets(most));
  if (options.can_pack()) advice.options.push_back(options.packing());
  for (ServingOption& option : advice.options)
    option.saved_seconds = advice.compile_seconds - option.compile_seconds;
  advice.recommended = recommend(advice.options);
}

LogTokens tokens_of(const Events& events, int64_t useful) {
  LogTokens tokens{.useful = useful, .added = 0};
  for (const RecompileEvent* event : events)
    if (event->policy.action == PolicyAction::PaddedTo)
      tokens.added = add_times(tokens.added, 1,
                               elements_of(event->policy.padded_to) - elements_of(event->shapes));
  return tokens;
}

Advice advise_model(const std::string& model, const Events& events) {
  Advice advice;
  advice.model = model;
  Events compiles;
  for (const RecompileEvent* event : events) {
    advice.blocked_seconds += event->blocked_ms / 1e3;
    if (!event->is_compile() || !event->error.empty()) continue;
    compiles.push_back(event);
    advice.compile_seconds += event->wall_ms / 1e3;
  }
  const Demand demand = demand_of(events);
  advice.batches = demand.number;
  advice.compiles = std::ssize(compiles);
  advice.lengths = std::ssize(demand.batches);
  const LogTokens tokens = tokens_of(events, demand.useful_tokens);
  if (demand.all_are_batches && demand.number > 0 && !compiles.empty()) {
    add_options(advice, demand, compiles);
    advice.options[0].useful_share = tokens.useful_share();
  }
  advice.slips = find_slips(model, events, tokens);
  return advice;
}

}  // namespace

std::vector<Advice> advise(const std::vector<RecompileEvent>& events) {
  std::map<std::string, Events> by_model;
  for (const RecompileEvent& event : events) by_model[event.model].push_back(&event);
  std::vector<Advice> all;
  for (const auto& [model, own] : by_model) all.push_back(advise_model(model, own));
  return all;
}

}  // namespace tessera
