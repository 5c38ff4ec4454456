// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/pack_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/human.h"
#include "tools/print/print.h"

namespace tessera::tools {
namespace {

using Json = nlohmann::ordered_json;

std::string rule_words(const PackRule& rule) {
  const std::string name(to_string(rule.policy));
  if (rule.policy == PackPolicy::Window)
    return fmt::format("{} of {}, {} pinned", name, rule.window, pinned_offline(rule));
  if (!packs_a_stream(rule.policy) && rule.depth > 0)
    return fmt::format("{}, at most {} in a row", name, rule.depth);
  return name;
}

std::string percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

double ratio(int64_t a, int64_t b) { return static_cast<double>(a) / static_cast<double>(b); }

// Figures of packed rows.
struct RowFigures {
  int64_t rows, least;
  double fill, requests_a_row;
  size_t deepest = 0;

  RowFigures(const RowPlan& plan, const LengthHistogram& histogram)
      : rows(bin_count(plan.rows)),
        least(least_rows(histogram.tokens(), plan.contract.row_length)),
        fill(ratio(histogram.tokens(), rows * plan.contract.row_length)),
        requests_a_row(ratio(histogram.requests(), rows)) {
    for (const BinGroup& group : plan.rows) deepest = std::max(deepest, group.lengths.size());
  }
};

}  // namespace

void print_source(const std::string& what, const LengthHistogram& histogram,
                  const PackingContract& contract) {
  print("lengths        {}: up to {} tokens, {:.1f} in the mean\n", what, histogram.longest(),
        ratio(histogram.tokens(), histogram.requests()));
  print("batch          {}\n", batch_words(contract));
}

void print_packing(const MeasuredPacking& packing) {
  const Occupancy& used = packing.occupancy;
  print("policy         {}\n", rule_words(packing.rule));
  print("batches        {}; no packing needs fewer than {}\n", human_count(used.batches),
        human_count(used.least_batches));
  print("tokens used    {} of {} row tokens\n", percent(used.token_fill()),
        human_count(used.row_tokens));
  if (used.segments > 0)
    print("segments used  {} of {}\n", percent(used.segment_fill()), human_count(used.segments));
  else
    print("segments used  {:.1f} a batch, which only tokens limit\n",
          ratio(used.requests, used.batches));
  print("host time      {} for {} requests: {:.3f} us each\n", human_seconds(packing.seconds),
        human_count(used.requests), packing.microseconds_per_request());
}

void print_table(std::span<const MeasuredPacking> packings) {
  print("\n{:<10} {:>8} {:>10} {:>10} {:>10} {:>11}\n", "policy", "batches", "of least", "tokens",
        "segments", "us/request");
  for (const MeasuredPacking& packing : packings) {
    const Occupancy& used = packing.occupancy;
    print("{:<10} {:>8} {:>10.3f} {:>10} {:>10} {:>11.3f}\n", packing.name, used.batches,
          ratio(used.batches, used.least_batches), percent(used.token_fill()),
          used.segments > 0 ? percent(used.segment_fill()) : "no limit",
          packing.microseconds_per_request());
  }
}

void print_rows(const RowPlan& plan, const LengthHistogram& histogram, double seconds) {
  const RowFigures figures(plan, histogram);
  print("policy         {}\n", rule_words(plan.rule));
  print("rows           {}; no packing needs fewer than {}\n", human_count(figures.rows),
        human_count(figures.least));
  print("tokens used    {} of the row tokens\n", percent(figures.fill));
  print("requests       {:.3f} a row, {} at most; {} different rows\n", figures.requests_a_row,
        figures.deepest, plan.rows.size());
  print("host time      {} for the histogram\n", human_seconds(seconds));
}

Json to_json(const RowPlan& plan, const LengthHistogram& histogram, double seconds) {
  const RowFigures figures(plan, histogram);
  return {
      {"policy",           to_string(plan.rule.policy)},
      {"packed_rows",      figures.rows               },
      {"least_rows",       figures.least              },
      {"token_fill",       figures.fill               },
      {"requests_per_row", figures.requests_a_row     },
      {"deepest_row",      figures.deepest            },
      {"different_rows",   plan.rows.size()           },
      {"milliseconds",     seconds * 1e3              }
  };
}

}  // namespace tessera::tools
