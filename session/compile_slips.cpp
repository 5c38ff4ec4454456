// SPDX-License-Identifier: Apache-2.0
#include "session/compile_slips.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "session/log_sum.h"
#include "session/padding.h"
#include "session/spared.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

using Events = std::vector<const RecompileEvent*>;

// As many weights as this that no two runs share are hardly trained ones.
constexpr size_t kManyVersions = 3;

bool compiled(const RecompileEvent& event) { return event.is_compile() && event.error.empty(); }

// Keys, each once, of the compiles that are `left`.
int64_t executables_of(const Events& events,
                       const std::function<bool(const RecompileEvent&)>& left) {
  std::set<std::string> keys;
  for (const RecompileEvent* event : events)
    if (compiled(*event) && left(*event)) keys.insert(event->key.total);
  return std::ssize(keys);
}
int64_t executables_of(const Events& events) {
  return executables_of(events, [](const auto&) { return true; });
}

// Whether this cause is all there was: a batch of a new shape is compiled for in any case.
bool is_only(const RecompileEvent& event, const std::string& cause) {
  return event.cause == cause && event.causes.size() <= 1;
}

CompileSlip sum_of(const char* rule, const Events& events,
                   const std::function<bool(const RecompileEvent&)>& belongs) {
  CompileSlip slip;
  slip.rule = rule;
  for (const RecompileEvent* event : events) {
    if (!compiled(*event) || !belongs(*event)) continue;
    ++slip.compiles;
    slip.seconds += spared_seconds(*event);
  }
  slip.executables = executables_of(events, std::not_fn(belongs));
  return slip;
}

// The changes that such events name, each once.
std::string changes_of(const Events& events, const std::string& cause) {
  std::set<std::string> changes;
  for (const RecompileEvent* event : events)
    if (compiled(*event) && is_only(*event, cause))
      changes.insert(difference_in_words({}, event->changes));
  std::string text;
  for (const std::string& change : changes) text += (text.empty() ? "" : "; ") + change;
  return text;
}

// `tessera run` with the flags of that compile.
std::string run_as(const std::string& model, const RecompileEvent* compile) {
  return "tessera run " + shell_word(model) + (compile ? flags_of(*compile) : "");
}
const RecompileEvent* first_compile(const Events& events) {
  const auto first = std::ranges::find_if(events, [](auto* event) { return compiled(*event); });
  return first == events.end() ? nullptr : *first;
}
const RecompileEvent* last_compile(const Events& events) {
  const RecompileEvent* last = nullptr;
  for (const RecompileEvent* event : events)
    if (compiled(*event)) last = event;
  return last;
}

CompileSlip dtype_slip(const std::string& model, const Events& events) {
  CompileSlip slip =
      sum_of("dtype", events, [](const auto& event) { return is_only(event, "input_dtype"); });
  slip.text = "the model was exported with other input dtypes (" +
              changes_of(events, "input_dtype") +
              "); give all runs the first export, callers may send int32 or int64 to either";
  slip.command = run_as(model, first_compile(events));
  return slip;
}

CompileSlip option_slip(const std::string& model, const Events& events, const char* cause) {
  CompileSlip slip =
      sum_of("option", events, [&](const auto& event) { return is_only(event, cause); });
  slip.text = fmt::format("the {} changed ({}); give all runs the same, as the first had", cause,
                          changes_of(events, cause));
  slip.command = run_as(model, first_compile(events));
  return slip;
}

CompileSlip baked_constant_slip(const Events& events) {
  std::set<std::string> versions;
  for (const RecompileEvent* event : events)
    if (!event->key.weights.empty()) versions.insert(event->key.graph + event->key.weights);
  CompileSlip slip = sum_of("baked_constant", events, [](const auto& event) {
    return is_only(event, "weights") || is_only(event, "graph");
  });
  if (versions.size() < kManyVersions) slip.compiles = 0;
  slip.text = fmt::format(
      "the model file changed {} times; if a number in it changes from run to run, make that an "
      "input; --on-recompile fail refuses the next run that slips",
      versions.size() - std::min<size_t>(versions.size(), 1));
  return slip;
}

CompileSlip cache_size_slip(const std::string& model, const Events& events) {
  CompileSlip slip =
      sum_of("cache_too_small", events, [](const auto& event) { return event.cause == "evicted"; });
  std::map<std::string, int64_t> bytes;  // by key
  bool disk = false;
  for (const RecompileEvent* event : events) {
    if (!event->key.total.empty() && event->kind != "evicted")
      bytes[event->key.total] = std::max(bytes[event->key.total], event->artifact.bytes);
    disk |= event->kind == "evicted" && event->cache.tier == "disk";
  }
  int64_t total = 0;
  for (const auto& [key, size] : bytes) total = add_times(total, 1, size);
  slip.executables = executables_of(events);  // kept, not compiled again
  slip.text = "executables had to go and were compiled again";
  slip.command = run_as(model, last_compile(events)) +
                 (disk ? fmt::format(" --cache-limit {}", total + total / 8)
                       : fmt::format(" --memory-entries {}", bytes.size()));
  return slip;
}

// Compiles that shared nothing, as if through a cache: the first of a key writes its entry, those
// after it load that, and who begins before it is there waits for it.
class Shared {
 public:
  // What the cache would have spared; nothing for the first of its key.
  bool spares(const RecompileEvent& compile, double& seconds) {
    const auto end = static_cast<double>(compile.ts_unix_ns) / 1e9 + compile.wall_ms / 1e3;
    const auto [first, is_first] =
        there_.try_emplace(compile.key.total, end + seconds_of_write(compile));
    if (is_first) {
      seconds -= seconds_of_write(compile);
      return false;
    }
    const double wait =
        std::max(0.0, first->second - static_cast<double>(compile.ts_unix_ns) / 1e9);
    seconds += std::max(0.0, compile.wall_ms / 1e3 - wait) - seconds_of_load(compile);
    return true;
  }

 private:
  std::map<std::string, double> there_;  // since when, by key
};

// One key compiled by several processes, or by one again and again.
CompileSlip no_cache_slip(const std::string& model, const Events& events) {
  CompileSlip slip;
  slip.rule = "no_cache";
  Shared shared;
  for (const RecompileEvent* event : events) {
    const bool had_none = event->cache.path.empty() && event->cache.error.empty();
    if (!compiled(*event) || !had_none || event->key.total.empty() || event->cause == "evicted")
      continue;
    if (shared.spares(*event, slip.seconds)) ++slip.compiles;
  }
  if (slip.seconds <= 0) slip.compiles = 0;
  slip.executables = executables_of(events);
  slip.text = "processes compiled what others had compiled before them";
  slip.command = run_as(model, last_compile(events)) + " --cache-dir FOLDER";
  return slip;
}

CompileSlip cache_failed_slip(const Events& events) {
  CompileSlip slip;
  slip.rule = "cache_failed";
  Shared shared;
  for (const RecompileEvent* event : events) {
    const bool failed = !event->cache.error.empty() && event->cache.outcome != "reject";
    if (!compiled(*event) || !failed) continue;
    ++slip.compiles;
    slip.text = "the cache could not keep executables: " + event->cache.error;
    if (!event->key.total.empty()) shared.spares(*event, slip.seconds);
  }
  slip.seconds = std::max(0.0, slip.seconds);
  slip.executables = executables_of(events);
  return slip;
}

// The log once more, under the policy pad: a batch for which a larger executable is at hand needs
// none of its own, whether it has fewer rows or fewer tokens.
class Padded {
 public:
  void add(const RecompileEvent& event) {
    for (const ServedShapes& other : event.served)
      if (const auto found = padding_.find({event.run_id, other.shapes}); found != padding_.end())
        added_tokens = add_times(added_tokens, other.batches, found->second);
    if (compiled(event) || event.kind == "cache_load") obtain(event);
  }

  int64_t spared = 0, partial = 0;  // partial: only rows were missing
  double seconds = 0;
  int64_t added_tokens = 0;
  // A log of very many compiles would keep its reader busy for hours.
  bool gave_up() const { return comparisons_ > kMostComparisons; }
  int64_t executables() const {
    std::set<std::string> keys;
    for (const Made& one : made_) keys.insert(one.event->key.total);
    return std::ssize(keys);
  }

 private:
  struct Made {
    const RecompileEvent* event;
    ExecutableKey key;
  };

  static constexpr size_t kMostComparisons = size_t{1} << 24;

  void obtain(const RecompileEvent& event) {
    if (gave_up()) return;
    const ExecutableKey key = key_of(event);
    const bool by_shape = event.cause == "input_shape" && event.request_id >= 0;
    const RecompileEvent* larger = compiled(event) && by_shape ? smallest_for(event, key) : nullptr;
    if (!larger) {
      made_.push_back({&event, key});
      at_hand_.insert({event.run_id, event.key.total});
      return;
    }
    ++spared;
    seconds += (event.wall_ms - event.cache.lookup_ms) / 1e3;  // it is looked up all the same
    if (proved_.insert(event.run_id).second) seconds -= seconds_of_proof(event);
    if (at_hand_.insert({event.run_id, larger->key.total}).second)
      seconds -= seconds_of_load(*larger);
    const auto tokens = [](const RecompileEvent& batch) { return batch.shapes.begin()->second[1]; };
    if (tokens(*larger) == tokens(event)) ++partial;
    const int64_t padding = elements_of(larger->shapes) - elements_of(event.shapes);
    padding_.insert_or_assign({event.run_id, event.shapes}, padding);
    added_tokens = add_times(added_tokens, 1, padding);
  }

  // Of the run itself, or of the cache that it shares.
  const RecompileEvent* smallest_for(const RecompileEvent& event, const ExecutableKey& key) {
    comparisons_ += made_.size();
    std::vector<const ExecutableKey*> keys;
    for (const Made& one : made_) {
      const std::string& cache = one.event->cache.path;
      const bool shared = !cache.empty() && cache == event.cache.path;
      if (one.event->run_id == event.run_id || shared) keys.push_back(&one.key);
    }
    const ExecutableKey* best = smallest_that_serves(keys, key);
    const auto found = std::ranges::find(made_, best, [](const Made& one) { return &one.key; });
    return found == made_.end() ? nullptr : found->event;
  }

  std::vector<Made> made_;
  size_t comparisons_ = 0;
  std::set<std::pair<std::string, std::string>> at_hand_;           // run and key
  std::set<std::string> proved_;                                    // runs
  std::map<std::pair<std::string, InputShapes>, int64_t> padding_;  // of a batch, by run and shapes
};

CompileSlip partial_batch_slip(const std::string& model, const Events& events,
                               const LogTokens& tokens) {
  Padded padded;
  for (const RecompileEvent* event : events) padded.add(*event);
  if (padded.gave_up()) return {};
  CompileSlip slip;
  slip.rule = "partial_batch";
  slip.executables = padded.executables();
  slip.useful_share = LogTokens{tokens.useful, tokens.added + padded.added_tokens}.useful_share();
  const bool refused = std::ranges::any_of(events, [](const RecompileEvent* event) {
    return event->kind == "rejected" && !event->policy.why_not_padded.empty();
  });
  if (padded.partial > 0 && padded.seconds > 0 && !refused) slip.compiles = padded.spared;
  slip.seconds = padded.seconds;
  slip.text = "batches with fewer rows, as the last of a set has; pad them to the full number";
  if (const int64_t shorter = padded.spared - padded.partial; shorter > 0)
    slip.text += fmt::format(", with them {} of fewer tokens", shorter);
  slip.command = run_as(model, last_compile(events)) + " --on-recompile pad";
  return slip;
}

}  // namespace

std::vector<CompileSlip> find_slips(const std::string& model, const Events& events,
                                    const LogTokens& tokens) {
  std::vector<CompileSlip> slips = {dtype_slip(model, events),
                                    option_slip(model, events, "options"),
                                    option_slip(model, events, "target"),
                                    baked_constant_slip(events),
                                    cache_size_slip(model, events),
                                    no_cache_slip(model, events),
                                    cache_failed_slip(events)};
  for (CompileSlip& slip : slips) slip.useful_share = tokens.useful_share();
  slips.push_back(partial_batch_slip(model, events, tokens));
  std::erase_if(slips, [](const CompileSlip& slip) { return slip.compiles == 0; });
  return slips;
}

std::string flags_of(const RecompileEvent& event) {
  const std::string usual = to_string(CompileOptions());
  std::string flags;
  for (size_t begin = 0; begin < event.options.size();) {
    const size_t end = std::min(event.options.find('\n', begin), event.options.size());
    const std::string line = event.options.substr(begin, end - begin);
    begin = end + 1;
    const bool set =
        usual.find(line + "\n") == std::string::npos && line.find(' ') + 1 < line.size();
    if (set) flags += " --" + shell_words(line);
  }
  const std::string target = event.target.substr(0, event.target.find(' '));
  if (!target.empty() && target != Target().name) flags += " --target " + shell_word(target);
  return flags;
}

}  // namespace tessera
