// SPDX-License-Identifier: Apache-2.0
#include "session/compile_slips.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

namespace tessera {
namespace {

using Events = std::vector<const RecompileEvent*>;

// As many weights as this that no two runs share are hardly trained ones.
constexpr size_t kManyVersions = 3;

bool compiled(const RecompileEvent& event) { return event.is_compile() && event.error.empty(); }

CompileSlip sum_of(const char* rule, const Events& events,
                   const std::function<bool(const RecompileEvent&)>& belongs) {
  CompileSlip slip;
  slip.rule = rule;
  for (const RecompileEvent* event : events) {
    if (!compiled(*event) || !belongs(*event)) continue;
    ++slip.compiles;
    slip.seconds += event->wall_ms / 1e3;
  }
  return slip;
}

// The changes that such events name, each once.
std::string changes_of(const Events& events, const std::string& cause) {
  std::set<std::string> changes;
  for (const RecompileEvent* event : events)
    if (compiled(*event) && event->cause == cause)
      changes.insert(difference_in_words({}, event->changes));
  std::string text;
  for (const std::string& change : changes) text += (text.empty() ? "" : "; ") + change;
  return text;
}

// The run that slips is an error there, and says so, instead of a compile.
std::string refuse_command(const std::string& model) {
  return fmt::format("tessera run {} --on-recompile fail", model);
}

CompileSlip dtype_slip(const std::string& model, const Events& events) {
  CompileSlip slip =
      sum_of("dtype", events, [](const auto& event) { return event.cause == "input_dtype"; });
  slip.text = "the model was exported with other input dtypes (" +
              changes_of(events, "input_dtype") +
              "); export it with one, callers may send int32 or int64 to either";
  slip.command = refuse_command(model);
  return slip;
}

CompileSlip option_slip(const std::string& model, const Events& events, const char* cause) {
  CompileSlip slip =
      sum_of("option", events, [&](const auto& event) { return event.cause == cause; });
  slip.text =
      fmt::format("the {} changed ({}); give all runs the same", cause, changes_of(events, cause));
  slip.command = refuse_command(model);
  return slip;
}

CompileSlip baked_constant_slip(const std::string& model, const Events& events) {
  std::set<std::string> versions;
  for (const RecompileEvent* event : events)
    if (!event->key.weights.empty()) versions.insert(event->key.graph + event->key.weights);
  CompileSlip slip = sum_of("baked_constant", events, [](const auto& event) {
    return event.cause == "weights" || event.cause == "graph";
  });
  if (versions.size() < kManyVersions) slip.compiles = 0;
  slip.text = fmt::format(
      "the model file changed {} times; if a number in it changes from run to run, make that an "
      "input",
      versions.size() - std::min<size_t>(versions.size(), 1));
  slip.command = refuse_command(model);
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
  for (const auto& [key, size] : bytes) total += size;
  slip.text = "executables had to go and were compiled again";
  slip.command = disk ? fmt::format("tessera run {} --cache-limit {}", model, total + total / 8)
                      : fmt::format("tessera run {} --memory-entries {}", model, bytes.size());
  return slip;
}

// One key compiled by several processes, or by one again and again.
CompileSlip no_cache_slip(const std::string& model, const Events& events) {
  std::set<std::string> seen;
  CompileSlip slip = sum_of("no_cache", events, [&](const auto& event) {
    const bool again = !event.key.total.empty() && !seen.insert(event.key.total).second;
    return again && event.cache.path.empty() && event.cause != "evicted";
  });
  slip.text = "processes compiled what others had compiled before them";
  slip.command = fmt::format("tessera run {} --cache-dir FOLDER", model);
  return slip;
}

CompileSlip cache_failed_slip(const Events& events) {
  CompileSlip slip = sum_of("cache_failed", events, [](const auto& event) {
    return !event.cache.error.empty() && event.cache.outcome != "reject";
  });
  for (const RecompileEvent* event : events)
    if (compiled(*event) && !event->cache.error.empty()) slip.text = event->cache.error;
  slip.text = "the cache could not keep executables: " + slip.text;
  return slip;
}

CompileSlip partial_batch_slip(const std::string& model, const Events& events) {
  CompileSlip slip = sum_of("partial_batch", events, [](const auto& event) {
    return event.cause == "input_shape" && std::ranges::all_of(event.difference, [](const auto& d) {
             return d.axis == 0 && d.after < d.before;
           });
  });
  slip.text = "batches with fewer rows, as the last of a set has; pad them to the full number";
  slip.command = fmt::format("tessera run {} --on-recompile pad", model);
  return slip;
}

}  // namespace

std::vector<CompileSlip> find_slips(const std::string& model, const Events& events) {
  std::vector<CompileSlip> slips = {dtype_slip(model, events),
                                    option_slip(model, events, "options"),
                                    option_slip(model, events, "target"),
                                    baked_constant_slip(model, events),
                                    cache_size_slip(model, events),
                                    no_cache_slip(model, events),
                                    cache_failed_slip(events),
                                    partial_batch_slip(model, events)};
  std::erase_if(slips, [](const CompileSlip& slip) { return slip.compiles == 0; });
  return slips;
}

}  // namespace tessera
