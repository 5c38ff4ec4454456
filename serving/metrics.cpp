// SPDX-License-Identifier: Apache-2.0
#include "serving/metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace tessera {
namespace {

// 50 us to 50 s, in steps of 1, 2, 5.
std::vector<double> second_bounds() {
  std::vector<double> bounds;
  for (double decade = 1e-5; decade < 20; decade *= 10)
    for (const double step : {1.0, 2.0, 5.0}) bounds.push_back(decade * step);
  bounds.erase(bounds.begin(), bounds.begin() + 2);
  return bounds;
}

std::vector<double> share_bounds() {
  return {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1};
}

// A label's value in double quotes.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    out += c;
  }
  return out + '"';
}

// One metric after another, each with its help and type, in Prometheus' text.
class Text final : public MetricReader {
 public:
  explicit Text(std::string_view model) : model_("model=" + quoted(model)) {}

  void family(std::string_view name, std::string_view type, std::string_view help) override {
    name_ = fmt::format("tessera_{}", name);
    out_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name_, help, type);
  }
  void sample(double value, std::string_view label, std::string_view of) override {
    line(value, label.empty() ? "" : fmt::format(",{}={}", label, quoted(of)));
  }
  void histogram(const Histogram& values) override {
    uint64_t below = 0;
    for (size_t i = 0; i < values.bounds.size(); ++i) {
      below += values.counts[i];
      line(static_cast<double>(below), fmt::format(",le=\"{:.6g}\"", values.bounds[i]), "_bucket");
    }
    line(static_cast<double>(values.count), ",le=\"+Inf\"", "_bucket");
    line(values.sum, "", "_sum");
    line(static_cast<double>(values.count), "", "_count");
  }
  std::string take() { return std::move(out_); }

 private:
  void line(double value, std::string_view labels, std::string_view suffix = "") {
    out_ += fmt::format("{}{}{{{}{}}} {}\n", name_, suffix, model_, labels, value);
  }

  std::string model_, name_, out_;
};

double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::string_view to_string(CloseReason reason) {
  switch (reason) {
    case CloseReason::Tokens: return "tokens";
    case CloseReason::Segments: return "segments";
    case CloseReason::Timeout: return "timeout";
    case CloseReason::Deadline: return "deadline";
    case CloseReason::Flush: return "flush";
    case CloseReason::Drain: return "drain";
  }
  return "";
}

Histogram::Histogram(std::vector<double> upper_bounds)
    : bounds(std::move(upper_bounds)), counts(bounds.size() + 1) {}

void Histogram::add(double value) {
  const auto at = std::lower_bound(bounds.begin(), bounds.end(), value);
  ++counts[static_cast<size_t>(at - bounds.begin())];
  sum += value;
  ++count;
}

OnlineMetrics::OnlineMetrics()
    : queue_seconds(second_bounds()),
      answer_seconds(second_bounds()),
      pack_seconds(second_bounds()),
      token_occupancy(share_bounds()),
      segment_occupancy(share_bounds()) {}

uint64_t OnlineMetrics::all_batches() const {
  uint64_t all = 0;
  for (const uint64_t count : batches) all += count;
  return all;
}

double OnlineMetrics::token_fill() const { return share(tokens, tokens + pad_tokens); }
double OnlineMetrics::segment_fill() const { return share(requests, request_slots); }

void read_metrics(const OnlineMetrics& metrics, MetricReader& out) {
  const auto count = [&](std::string_view name, std::string_view help, uint64_t value) {
    out.family(name, "counter", help);
    out.sample(static_cast<double>(value));
  };
  const auto histogram = [&](std::string_view name, std::string_view help,
                             const Histogram& values) {
    out.family(name, "histogram", help);
    out.histogram(values);
  };
  out.family("queue_depth", "gauge", "What waits for a batch, in requests and in tokens.");
  out.sample(static_cast<double>(metrics.queue_requests), "unit", "requests");
  out.sample(static_cast<double>(metrics.queue_tokens), "unit", "tokens");
  count("admitted_total", "Requests that were taken.", metrics.admitted);
  count("answered_total", "Requests that were answered.", metrics.answered);
  count("not_finite_total",
        "Of these, such as hold infinities or NaN, of an executable in half precision.",
        metrics.not_finite);
  count("failed_total", "Requests whose batch ended with an error.", metrics.failed);
  count("cancelled_total", "Requests that their caller took back.", metrics.cancelled);
  count("cancelled_in_flight_total", "Of these, such as were in a batch already.",
        metrics.cancelled_in_flight);
  out.family("rejected_total", "counter", "Requests that were not taken, by reason.");
  for (const auto& [reason, rejected] : metrics.rejected)
    out.sample(static_cast<double>(rejected), "reason", reason);
  out.family("deadline_missed_total", "counter",
             "Requests that were taken and whose deadline was missed.");
  out.sample(static_cast<double>(metrics.missed_waiting), "answered", "no");
  out.sample(static_cast<double>(metrics.missed_answered), "answered", "late");
  out.family("batches_total", "counter", "Batches, by why they were closed.");
  for (const CloseReason reason : kCloseReasons)
    out.sample(static_cast<double>(metrics.batches[static_cast<size_t>(reason)]), "reason",
               to_string(reason));
  count("valid_tokens_total", "Tokens of requests in batches.", metrics.tokens);
  count("pad_tokens_total", "Cells of batches that held no request.", metrics.pad_tokens);
  histogram("queue_seconds", "From admission to the closing of the batch.", metrics.queue_seconds);
  histogram("answer_seconds", "From submission to answer.", metrics.answer_seconds);
  histogram("pack_seconds", "Host time to make the tensors of a batch.", metrics.pack_seconds);
  histogram("batch_token_occupancy", "Of each batch: tokens over row tokens.",
            metrics.token_occupancy);
  histogram("batch_segment_occupancy", "Of each batch: requests over the most it may hold.",
            metrics.segment_occupancy);
}

std::string prometheus_text(const OnlineMetrics& metrics, std::string_view model) {
  Text text(model);
  read_metrics(metrics, text);
  return text.take();
}

}  // namespace tessera
