// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/recompiles_print.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "session/advice_json.h"
#include "session/key.h"
#include "support/human.h"
#include "tools/print/print.h"

namespace tessera::tools {
namespace {

void row(const char* name, const std::string& text) {
  if (!text.empty()) print("{:<12} {}\n", name, text);
}

std::string price(const RecompileEvent& event) {
  std::string text = fmt::format("{} on the host", human_seconds(event.wall_ms / 1e3));
  if (event.cpu_ms > 0)
    text += fmt::format(", {} of CPU, peak {} of memory", human_seconds(event.cpu_ms / 1e3),
                        human_bytes(event.peak_rss_bytes));
  return text;
}

std::string blocked(const RecompileEvent& event) {
  if (event.requests_blocked == 0) return "nobody";
  return fmt::format("{} request{}, {} in all", event.requests_blocked,
                     event.requests_blocked == 1 ? "" : "s", human_seconds(event.blocked_ms / 1e3));
}

std::string policy(const RecompileEvent& event) {
  std::string text =
      fmt::format("{}: {}", to_string(event.policy.stance), to_string(event.policy.action));
  if (!event.policy.padded_to.empty()) text += " " + to_string(event.policy.padded_to);
  if (event.policy.budget >= 0)
    text += fmt::format(", {} of {} recompiles", event.policy.budget_used, event.policy.budget);
  if (!event.policy.why_not_padded.empty()) text += "; not padded: " + event.policy.why_not_padded;
  return text;
}

std::string cache(const RecompileEvent& event) {
  const RecompileEvent::Cache& cache = event.cache;
  std::string text = fmt::format("{} of {}: {} entries, {}", to_string(cache.outcome),
                                 to_string(cache.tier), cache.entries, human_bytes(cache.bytes));
  if (!cache.path.empty()) text += " in " + cache.path;
  if (cache.wait_ms > 1)
    text += fmt::format(", waited {} for another process", human_seconds(cache.wait_ms / 1e3));
  if (cache.saved_seconds > 0)
    text += fmt::format(", saved {}", human_seconds(cache.saved_seconds));
  if (!cache.error.empty()) text += "; " + cache.error;
  return text;
}

std::string in_digests(const KeyDigests& key) {
  if (key.total.empty()) return "";
  const auto start = [](const std::string& digest) { return digest.substr(0, 12); };
  return fmt::format("{} (graph {}, weights {}, inputs {}, options {}, target {}, compiler {})",
                     start(key.total), start(key.graph), start(key.weights), start(key.inputs),
                     start(key.options), start(key.target), start(key.compiler));
}

void print_options(const Advice& advice) {
  print("\n   {:<20} {:>11} {:>12} {:>12} {:>13}\n", "option", "executables", "compiling", "saves",
        "useful tokens");
  for (size_t i = 0; i < advice.options.size(); ++i) {
    const ServingOption& option = advice.options[i];
    print("{:>2} {:<20} {:>11} {:>12} {:>12} {:>12.1f}%\n",
          static_cast<int64_t>(i) == advice.recommended ? "->" : "", option.name,
          option.executables, human_seconds(option.compile_seconds),
          i == 0 ? "" : human_seconds(std::max(0.0, option.saved_seconds)),
          100 * option.useful_share);
  }
  if (advice.recommended < 0) return;
  const ServingOption& best = advice.options[static_cast<size_t>(advice.recommended)];
  print("\n{}:\n  {}\n", best.name, best.command);
}

void print_one(const Advice& advice) {
  print(
      "{}: {} batches of {} lengths, {} compiles, {} of compiling, for which callers waited "
      "{}\n",
      advice.model, advice.batches, advice.lengths, advice.compiles,
      human_seconds(advice.compile_seconds), human_seconds(advice.blocked_seconds));
  if (!advice.options.empty()) print_options(advice);
  for (const CompileSlip& slip : advice.slips) {
    print("\n{}: {} compile{}, {}: {}\n", to_string(slip.rule), slip.compiles,
          slip.compiles == 1 ? "" : "s", human_seconds(slip.seconds), slip.text);
    print("  leaves {} executable{}, {:.1f}% useful tokens\n", slip.executables,
          slip.executables == 1 ? "" : "s", 100 * slip.useful_share);
    if (!slip.command.empty()) print("  {}\n", slip.command);
  }
}

}  // namespace

void print_event(const RecompileEvent& event, bool json) {
  if (json) return print("{}\n", to_json_line(event));
  row("event", fmt::format("#{} {} of {}", event.id, to_string(event.kind), event.model));
  row("cause", fmt::format("{}", fmt::join(to_words(event.causes), ", ")));
  row("difference", difference_in_words(event.difference, event.changes));
  row("shapes", to_string(event.shapes));
  if (event.nearest >= 0)
    row("nearest", fmt::format("#{}", event.nearest));
  else
    row("nearest", event.nearest_key.substr(0, 12));
  row("key", in_digests(event.key));
  row("policy", policy(event));
  row("cost", price(event));
  for (const auto& [name, ms] : event.phase_ms)
    print("{:<12}   {:<10} {:>10}\n", "", name, human_seconds(ms / 1e3));
  row("waited", blocked(event));
  row("cache", cache(event));
  if (event.artifact.tiles > 0)
    row("executable", fmt::format("{} on {} tiles, {} on the fullest, {} cycles modelled",
                                  human_bytes(event.artifact.bytes), event.artifact.tiles,
                                  human_bytes(event.artifact.max_tile_bytes),
                                  human_count(static_cast<int64_t>(event.artifact.cycles))));
  row("asked by", event.call_site);
  row("run", event.run_id.empty() ? "" : fmt::format("{}, process {}", event.run_id, event.pid));
  for (const EventAdvice& advice : event.advice) row("advice", advice.text);
  row("error", event.error);
}

void print_difference(const RecompileEvent& before, const RecompileEvent& after, bool json) {
  if (json) return print_json(difference_json(before, after), -1);
  const KeyDifference difference = compare_keys(key_of(before), key_of(after));
  if (difference.causes.empty())
    return print("#{} -> #{}: the same executable\n", before.id, after.id);
  print("#{} -> #{}: {}: {}\n", before.id, after.id,
        fmt::format("{}", fmt::join(to_words(difference.causes), ", ")),
        difference_in_words(difference.shapes, difference.changes));
}

void print_advice(const std::vector<Advice>& all, bool json) {
  for (const Advice& advice : all) {
    if (json)
      print_json(advice_json(advice), -1);
    else
      print_one(advice);
  }
  if (all.empty() && !json) print("no events\n");
}

}  // namespace tessera::tools
