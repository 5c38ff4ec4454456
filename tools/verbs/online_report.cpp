// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/online_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "serving/latencies.h"
#include "support/human.h"
#include "tools/print/print.h"

namespace tessera::tools {
namespace {

std::string in_ms(Time time) {
  return fmt::format("{:.3f} ms", static_cast<double>(time.count()) / 1e6);
}

std::string why(const FormerConfig& config, const FormedBatch& batch) {
  Time oldest = batch.at, deadline = kNever;
  for (const FormedBatch::Rider& rider : batch.riders) {
    oldest = std::min(oldest, rider.since);
    deadline = std::min(deadline, rider.arrival.deadline);
  }
  switch (batch.reason) {
    case CloseReason::Tokens:
      if (batch.left == 0) return "no cell is free";
      return fmt::format("{} not fit beside these",
                         batch.left == 1 ? "1 request that waits does"
                                         : fmt::format("{} requests that wait do", batch.left));
    case CloseReason::Segments: return "it holds as many requests as a batch may";
    case CloseReason::Timeout:
      return fmt::format("its oldest request had waited {} (limit {})", in_ms(batch.at - oldest),
                         in_ms(config.timeout));
    case CloseReason::Deadline:
      if (deadline == kNever) return "of a deadline of a request that does not fit";
      return fmt::format("the first deadline in it is {} away, and a batch takes {}",
                         in_ms(deadline - batch.at), in_ms(config.batch_time));
    case CloseReason::Flush: return "flush was called";
    case CloseReason::Drain: return "drain or close was called";
  }
  return "";
}

}  // namespace

void print_figures(const OnlineFigures& figures) {
  const Latencies latencies(figures.latencies);
  const OnlineMetrics& m = figures.metrics;
  print("[Online] Throughput: {:.1f} requests/s, {:.0f} tokens/s ({} clock)\n",
        figures.per_second(static_cast<double>(m.answered)),
        figures.per_second(static_cast<double>(m.tokens)), figures.clock);
  print("    a batch takes {} ({})\n", human_seconds(figures.batch_seconds), figures.batch_time);
  print("    {} requests in {}: {} answered", human_count(figures.requests),
        human_seconds(figures.seconds), human_count(static_cast<int64_t>(m.answered)));
  if (m.failed > 0) print(", {} failed", m.failed);
  if (m.missed_answered > 0) print(" ({} late)", m.missed_answered);
  if (m.not_finite > 0) print(" ({} with numbers that are not finite)", m.not_finite);
  if (m.missed_waiting > 0) print(", {} missed their deadline", m.missed_waiting);
  for (const auto& [reason, count] : m.rejected) print(", {} rejected: {}", count, reason);
  print("\n    latency, submit to answer:");
  for (const auto& [name, share] : kQuantiles)
    print(" {} {}", name, human_seconds(latencies.at(share)));
  print("\n    occupancy: {:.1f} % of the row tokens, {:.1f} % of the segments\n",
        100 * m.token_fill(), 100 * m.segment_fill());
  print("    queue: {:.1f} requests when a batch is closed; at most {} of {} tokens\n",
        figures.mean_queue_at_closing(), human_count(m.most_queue_requests),
        human_count(m.most_queue_tokens));
  print("    {} batches", m.all_batches());
  for (const CloseReason reason : kCloseReasons) {
    const uint64_t count = m.batches[static_cast<size_t>(reason)];
    if (count > 0) print("; {} closed by {}", count, to_string(reason));
  }
  print("\n");
}

std::string explain(const PackingContract& contract, const FormerConfig& config,
                    const FormedBatch& batch, const PictureOptions& picture) {
  const int64_t most = config.max_valid_num > 0 ? config.max_valid_num : most_requests(contract);
  std::string text = fmt::format("batch {}, closed at {} by {}: {}\n", batch.number,
                                 in_ms(batch.at), to_string(batch.reason), why(config, batch));
  text += draw_batch(contract, batch.packed, picture);
  Time longest{0};
  int64_t waited = 0;
  for (const FormedBatch::Rider& rider : batch.riders) {
    longest = std::max(longest, batch.at - rider.since);
    waited = std::max(waited, rider.batches_waited);  // of the oldest, so of the same request
  }
  text += fmt::format(
      "{} of {} requests, {} of {} tokens ({:.1f} %); {} went on waiting\n"
      "longest wait {}: the {}. batch since that request came\n",
      batch.riders.size(), most, batch.packed.tokens, row_tokens(contract),
      100.0 * static_cast<double>(batch.packed.tokens) / static_cast<double>(row_tokens(contract)),
      batch.left, in_ms(longest), waited);
  return text;
}

}  // namespace tessera::tools
