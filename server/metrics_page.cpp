// SPDX-License-Identifier: Apache-2.0
#include "server/metrics_page.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <map>

#include "session/metrics.h"

namespace tessera::server {
namespace {

using Labels = std::vector<prometheus::ClientMetric::Label>;

prometheus::MetricType type_of(std::string_view word) {
  if (word == "gauge") return prometheus::MetricType::Gauge;
  return word == "histogram" ? prometheus::MetricType::Histogram : prometheus::MetricType::Counter;
}

// All families, each with the samples of all models.
class Page final : public MetricReader {
 public:
  void begin(Labels labels) { labels_ = std::move(labels); }

  // Triton's, and ours of the server.
  void plain_family(const std::string& name, std::string_view type, std::string_view help) {
    const auto [place, is_new] = numbers_.try_emplace(name, families_.size());
    if (is_new) families_.push_back({name, std::string(help), type_of(type), {}});
    now_ = place->second;
  }
  void family(std::string_view name, std::string_view type, std::string_view help) override {
    plain_family("tessera_" + std::string(name), type, help);
  }
  void sample(double value, std::string_view label, std::string_view of) override {
    prometheus::ClientMetric& metric = next();
    if (!label.empty()) metric.label.push_back({std::string(label), std::string(of)});
    (families_[now_].type == prometheus::MetricType::Gauge ? metric.gauge.value
                                                           : metric.counter.value) = value;
  }
  void one(const std::string& name, std::string_view type, std::string_view help, double value) {
    plain_family(name, type, help);
    sample(value, "", "");
  }
  void count(const std::string& name, std::string_view help, uint64_t value) {
    one(name, "counter", help, static_cast<double>(value));
  }
  void histogram(const Histogram& values) override {
    prometheus::ClientMetric& metric = next();
    metric.histogram.sample_count = values.count;
    metric.histogram.sample_sum = values.sum;
    uint64_t below = 0;
    for (size_t i = 0; i < values.bounds.size(); ++i) {
      below += values.counts[i];
      metric.histogram.bucket.push_back({below, values.bounds[i]});
    }
    metric.histogram.bucket.push_back({values.count, std::numeric_limits<double>::infinity()});
  }

  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  prometheus::ClientMetric& next() {
    prometheus::ClientMetric& metric = families_[now_].metric.emplace_back();
    metric.label = labels_;
    return metric;
  }

  Labels labels_;
  std::map<std::string, size_t> numbers_;  // of families
  std::vector<prometheus::MetricFamily> families_;
  size_t now_ = 0;
};

void add_triton(const ServedModel& model, Page& page) {
  const ModelStatistics now = model.statistics();
  page.count("nv_inference_request_success", "Calls that were answered.", now.success.count);
  page.plain_family("nv_inference_request_failure", "counter", "Calls that were not, by reason.");
  for (const FailReason reason : kFailReasons)
    page.sample(static_cast<double>(now.fails[static_cast<size_t>(reason)]), "reason",
                to_string(reason));
  page.count("nv_inference_count", "Inferences: rows of calls that were answered.", now.inferences);
  page.count("nv_inference_exec_count", "Executions: batches on the machine.", now.executions);
  const auto us = [&](const char* name, const char* help, const CountedTime& time) {
    page.count(name, help, time.ns / 1000);
  };
  us("nv_inference_request_duration_us", "Sum of the times of answered calls.", now.success);
  us("nv_inference_queue_duration_us", "Sum of the times that calls waited for a batch.",
     now.queue);
  us("nv_inference_compute_input_duration_us", "Sum of the times of packing, by call.",
     now.compute_input);
  us("nv_inference_compute_infer_duration_us", "Sum of the times of runs, by call.",
     now.compute_infer);
  us("nv_inference_compute_output_duration_us", "Sum of the times of making answers.",
     now.compute_output);
  page.one("nv_inference_pending_request_count", "gauge", "What waits to be run.",
           static_cast<double>(model.pending()));
}

void add_session(const SessionCounts& counts, Page& page) {
  page.plain_family(kCompilesTotal.name, "counter", kCompilesTotal.help);
  for (const auto& [cause, count] : counts.compiles)
    page.sample(static_cast<double>(count), "cause", cause);
  page.plain_family(kRecompilesTotal.name, "counter", kRecompilesTotal.help);
  for (const auto& [cause, count] : counts.recompiles)
    page.sample(static_cast<double>(count), "cause", cause);
  page.one("tessera_compile_seconds_total", "counter", "Sum of the times of compiles.",
           counts.compile_seconds);
  page.count(kRefusedTotal.name, kRefusedTotal.help, static_cast<uint64_t>(counts.refused));
}

}  // namespace

std::string metrics_page(const ModelHub& hub, const ServerCounts& server) {
  Page page;
  for (const auto& model : hub.all()) {
    page.begin({
        {"model",   model->facts().name   },
        {"version", model->facts().version}
    });
    add_triton(*model, page);
    if (const auto packing = model->packing()) {
      read_metrics(*packing, page);
      page.one("tessera_queue_age_seconds", "gauge", "How long the oldest request has waited.",
               model->queue_age().count());
    }
    if (const auto session = model->session()) add_session(*session, page);
  }
  page.begin({});
  page.one("tessera_open_connections", "gauge", "Connections of REST.",
           static_cast<double>(server.open_connections));
  page.count("tessera_http_requests_total", "Requests of REST, of any page.",
             static_cast<uint64_t>(server.http_requests));
  page.count("tessera_refused_connections_total", "Connections past the limit.",
             static_cast<uint64_t>(server.refused_connections));
  page.one("tessera_held_bytes", "gauge", "Bodies and answers on their way.",
           static_cast<double>(server.held_bytes));
  page.count("tessera_lost_log_lines_total", "Lines of the access log that the disk did not take.",
             server.lost_log_lines);
  page.one("tessera_ready", "gauge", "Whether the server is ready.", hub.is_ready() ? 1 : 0);
  return page.text();
}

}  // namespace tessera::server
