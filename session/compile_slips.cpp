// SPDX-License-Identifier: Apache-2.0
#include "session/compile_slips.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "compiler/option_rows.h"
#include "compiler/option_values.h"
#include "session/key.h"
#include "session/log_sum.h"
#include "session/padding.h"
#include "session/saved_seconds.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

using Events = std::vector<const RecompileEvent*>;

// This many versions of a model in one log are a number that changes, rather than new training.
constexpr size_t kManyVersions = 3;

bool compiled(const RecompileEvent& event) { return event.is_compile() && event.error.empty(); }

// The number of keys among the compiles that are `left`.
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

// Whether this is the only cause. A batch whose shape is new too would have been compiled anyway.
bool is_only(const RecompileEvent& event, Cause cause) {
  return event.causes.size() == 1 && event.causes[0] == cause;
}
// Whether its only cause is one that the table has this rule for.
bool is_slip(const RecompileEvent& event, AdviceRule rule) {
  return event.causes.size() == 1 && rule_of(event.causes[0]) == rule;
}

CompileSlip sum_of(AdviceRule rule, const Events& events,
                   const std::function<bool(const RecompileEvent&)>& belongs) {
  CompileSlip slip;
  slip.rule = rule;
  for (const RecompileEvent* event : events) {
    if (!compiled(*event) || !belongs(*event)) continue;
    ++slip.compiles;
    slip.seconds += saved_seconds(*event);
  }
  slip.executables = executables_of(events, std::not_fn(belongs));
  return slip;
}

// The changes that compiles of this cause name, each once.
std::string changes_of(const Events& events, Cause cause) {
  std::set<std::string> changes;
  for (const RecompileEvent* event : events)
    if (compiled(*event) && is_only(*event, cause))
      changes.insert(difference_in_words({}, event->changes));
  std::string text;
  for (const std::string& change : changes) text += (text.empty() ? "" : "; ") + change;
  return text;
}

// `tessera run` with the flags of the compile.
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
  CompileSlip slip = sum_of(AdviceRule::DtypeSlip, events, [](const auto& event) {
    return is_slip(event, AdviceRule::DtypeSlip);
  });
  slip.text = "the model was exported with other input dtypes (" +
              changes_of(events, Cause::InputDtype) +
              "); give all runs the first export, callers may send int32 or int64 to either";
  slip.command = run_as(model, first_compile(events));
  return slip;
}

CompileSlip option_slip(const std::string& model, const Events& events, Cause cause) {
  CompileSlip slip = sum_of(AdviceRule::OptionSlip, events,
                            [&](const auto& event) { return is_only(event, cause); });
  slip.text = fmt::format("the {} changed ({}); give all runs the same, as the first had",
                          to_string(cause), changes_of(events, cause));
  slip.command = run_as(model, first_compile(events));
  return slip;
}

CompileSlip baked_constant_slip(const Events& events) {
  std::set<std::string> versions;
  for (const RecompileEvent* event : events)
    if (!event->key.weights.empty()) versions.insert(event->key.graph + event->key.weights);
  CompileSlip slip = sum_of(AdviceRule::BakedConstant, events, [](const auto& event) {
    return is_slip(event, AdviceRule::BakedConstant);
  });
  if (versions.size() < kManyVersions) slip.compiles = 0;
  slip.text = fmt::format(
      "the model file changed {} times; if a number in it changes from run to run, make that an "
      "input; --on_recompile fail refuses the next run that slips",
      versions.size() - std::min<size_t>(versions.size(), 1));
  return slip;
}

CompileSlip cache_size_slip(const std::string& model, const Events& events) {
  CompileSlip slip = sum_of(AdviceRule::CacheTooSmall, events,
                            [](const auto& event) { return event.cause() == Cause::Evicted; });
  std::map<std::string, int64_t> bytes;  // by key
  bool disk = false;
  for (const RecompileEvent* event : events) {
    if (!event->key.total.empty() && event->kind != EventKind::Evicted)
      bytes[event->key.total] = std::max(bytes[event->key.total], event->artifact.bytes);
    disk |= event->kind == EventKind::Evicted && event->cache.tier == CacheTier::Disk;
  }
  int64_t total = 0;
  for (const auto& [key, size] : bytes) total = add_times(total, 1, size);
  slip.executables = executables_of(events);  // kept, not compiled again
  slip.text = "executables were removed to make room and were compiled again";
  slip.command = run_as(model, last_compile(events)) +
                 (disk ? fmt::format(" --cache_limit {}", total + total / 8)
                       : fmt::format(" --memory_entries {}", bytes.size()));
  return slip;
}

// Replays independent compiles as if they had shared a cache: the first compile of a key writes the
// entry, later ones load it, and one that starts before the entry exists waits for it.
class Shared {
 public:
  // Whether this compile would have been a load. Adds to `seconds` what the cache would have saved,
  // and for the first compile of a key subtracts the write of its entry.
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
  std::map<std::string, double> there_;  // when the entry exists, by key
};

// One key compiled by several processes, or by one process repeatedly.
CompileSlip no_cache_slip(const std::string& model, const Events& events) {
  CompileSlip slip;
  slip.rule = AdviceRule::NoCache;
  Shared shared;
  for (const RecompileEvent* event : events) {
    const bool had_none = event->cache.path.empty() && event->cache.error.empty();
    const bool was_evicted = event->cause() == Cause::Evicted;
    if (!compiled(*event) || !had_none || event->key.total.empty() || was_evicted) continue;
    if (shared.spares(*event, slip.seconds)) ++slip.compiles;
  }
  if (slip.seconds <= 0) slip.compiles = 0;
  slip.executables = executables_of(events);
  slip.text = "processes compiled what others had compiled before them";
  slip.command = run_as(model, last_compile(events)) + " --cache_dir FOLDER";
  return slip;
}

CompileSlip cache_failed_slip(const Events& events) {
  CompileSlip slip;
  slip.rule = AdviceRule::CacheFailed;
  Shared shared;
  for (const RecompileEvent* event : events) {
    const bool failed = !event->cache.error.empty() && event->cache.outcome != CacheOutcome::Reject;
    if (!compiled(*event) || !failed) continue;
    ++slip.compiles;
    slip.text = "the cache could not keep executables: " + event->cache.error;
    if (!event->key.total.empty()) shared.spares(*event, slip.seconds);
  }
  slip.seconds = std::max(0.0, slip.seconds);
  slip.executables = executables_of(events);
  return slip;
}

// Replays the log under the policy Pad: a batch that fits a larger executable of the session or its
// cache needs none of its own, whether it has fewer rows or fewer tokens.
class Padded {
 public:
  void add(const RecompileEvent& event) {
    for (const ServedShapes& other : event.served)
      if (const auto found = padding_.find({event.run_id, other.shapes}); found != padding_.end())
        added_tokens = add_times(added_tokens, other.batches, found->second);
    if (compiled(event) || event.kind == EventKind::CacheLoad) obtain(event);
  }

  int64_t avoided = 0, partial = 0;  // compiles not needed; of these, with only rows missing
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
    const bool by_shape = event.cause() == Cause::InputShape && event.request_id >= 0;
    const RecompileEvent* larger = compiled(event) && by_shape ? smallest_for(event, key) : nullptr;
    if (!larger) {
      made_.push_back({&event, key});
      at_hand_.insert({event.run_id, event.key.total});
      return;
    }
    ++avoided;
    seconds += (event.wall_ms - event.cache.lookup_ms) / 1e3;  // the lookup is still needed
    if (at_hand_.insert({event.run_id, larger->key.total}).second)
      seconds -= seconds_of_load(*larger);
    const auto tokens = [](const RecompileEvent& batch) { return batch.shapes.begin()->second[1]; };
    if (tokens(*larger) == tokens(event)) ++partial;
    const int64_t padding = elements_of(larger->shapes) - elements_of(event.shapes);
    padding_.insert_or_assign({event.run_id, event.shapes}, padding);
    added_tokens = add_times(added_tokens, 1, padding);
  }

  // The smallest executable that serves the key, of the same run or of the cache that it shares.
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
  std::map<std::pair<std::string, InputShapes>, int64_t> padding_;  // tokens, by run and shapes
};

CompileSlip partial_batch_slip(const std::string& model, const Events& events,
                               const LogTokens& tokens) {
  Padded padded;
  for (const RecompileEvent* event : events) padded.add(*event);
  if (padded.gave_up()) return {};
  CompileSlip slip;
  slip.rule = AdviceRule::PartialBatch;
  slip.executables = padded.executables();
  slip.useful_share = LogTokens{tokens.useful, tokens.added + padded.added_tokens}.useful_share();
  const bool refused = std::ranges::any_of(events, [](const RecompileEvent* event) {
    return event->kind == EventKind::Rejected && !event->policy.why_not_padded.empty();
  });
  if (padded.partial > 0 && padded.seconds > 0 && !refused) slip.compiles = padded.avoided;
  slip.seconds = padded.seconds;
  slip.text = "batches with fewer rows, as the last of a set has; pad them to the full number";
  if (const int64_t shorter = padded.avoided - padded.partial; shorter > 0)
    slip.text += fmt::format(", with them {} of fewer tokens", shorter);
  slip.command = run_as(model, last_compile(events)) + " --on_recompile pad";
  return slip;
}

}  // namespace

std::vector<CompileSlip> find_slips(const std::string& model, const Events& events,
                                    const LogTokens& tokens) {
  std::vector<CompileSlip> slips = {dtype_slip(model, events)};
  for (const EventWord<Cause>& row : words_of(Cause{}))
    if (row.rule == AdviceRule::OptionSlip) slips.push_back(option_slip(model, events, row.value));
  slips.push_back(baked_constant_slip(events));
  slips.push_back(cache_size_slip(model, events));
  slips.push_back(no_cache_slip(model, events));
  slips.push_back(cache_failed_slip(events));
  for (CompileSlip& slip : slips) slip.useful_share = tokens.useful_share();
  slips.push_back(partial_batch_slip(model, events, tokens));
  std::erase_if(slips, [](const CompileSlip& slip) { return slip.compiles == 0; });
  return slips;
}

std::string flags_of(const RecompileEvent& event) {
  OptionValues values = parse_option_values(event.options);
  values.push_back({"target", event.target});
  std::string flags;
  for (const std::string& word : flag_words(values)) flags += " " + shell_word(word);
  return flags;
}

}  // namespace tessera
