// SPDX-License-Identifier: Apache-2.0
// The part of the view of batches that shows documents of other verbs: results of bench, the
// policies of pack, the shapes of pack tune.
#include <fmt/format.h>

#include "report/html.h"
#include "report/views.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

HtmlCell rate_cell(const Json& object, const char* name) {
  if (!object.contains(name)) return no_cell();
  const auto rate = object[name].get<double>();
  return {fmt::format("{:.1f}", rate), rate, {}};
}

HtmlCell share_or_none(const Json& object, const char* name) {
  const bool has = object.contains(name) && object[name].is_number();
  return has ? share_cell(object[name].get<double>()) : no_cell();
}

HtmlCell seconds_or_none(const Json& object, const char* name) {
  return object.contains(name) ? seconds_cell(object[name].get<double>()) : no_cell();
}

std::string text_of(const Json& object, const char* name) {
  return object.contains(name) ? object[name].get<std::string>() : "";
}

void add_latencies(HtmlTable& table, const std::string& run, const char* of, const Json& seconds) {
  std::vector<HtmlCell> cells{text_cell(run), text_cell(of)};
  for (const char* name : {"mean", "p50", "p90", "p95", "p99", "p99.9", "max"})
    cells.push_back(seconds_cell(seconds[name].get<double>()));
  table.add(cells);
}

HtmlTable latency_table() {
  return {
      "bench-latency",
      "Times of the bench: the mean, and what such a share of all is not above.",
      {"run", "time of", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"}
  };
}

// Padded and packed runs of the same requests.
std::string runs_html(const Json& figures) {
  HtmlTable runs(
      "bench", "Runs of the bench. Rates of the host are measured, those of the IPU are modelled.",
      {"run", "executable", "form", "batches", "requests", "useful tokens", "host batches/s",
       "host requests/s", "IPU batches/s", "IPU requests/s", "closed by"});
  HtmlTable latencies = latency_table();
  for (const Json& run : figures["runs"]) {
    const std::string label = text_of(run, "label");
    runs.add({text_cell(label), text_cell(text_of(run, "executable")),
              text_cell(text_of(run, "form")), count_cell(run["batches"].get<int64_t>()),
              run.contains("requests") ? count_cell(run["requests"].get<int64_t>()) : no_cell(),
              share_or_none(run, "fill"), rate_cell(run, "host_batches_per_second"),
              rate_cell(run, "host_samples_per_second"),
              rate_cell(run, "modelled_ipu_batches_per_second"),
              rate_cell(run, "modelled_ipu_samples_per_second"),
              text_cell(run.contains("closed_for") ? pairs_text(run["closed_for"]) : "")});
    add_latencies(latencies, label, "a batch", run["batch_seconds"]);
    if (run.contains("latency_seconds"))
      add_latencies(latencies, label, "a request, submit to answer", run["latency_seconds"]);
  }
  std::string html = runs.html() + latencies.html();
  if (!figures.contains("errors")) return html;
  HtmlTable errors("bench-errors", "How far the answers of two runs are apart.",
                   {"run", "and", "output", "mean absolute difference"});
  for (const Json& one : figures["errors"]) {
    const bool is_known = one["mae"].is_number();
    const double mae = is_known ? one["mae"].get<double>() : 0;
    errors.add({
        text_cell(text_of(one, "a")), text_cell(text_of(one, "b")),
        text_cell(text_of(one, "output")),
        is_known ? HtmlCell{fmt::format("{:.3g}", mae), mae, {}}
          : no_cell()
    });
  }
  return html + errors.html();
}

std::string online_html(const Json& figures) {
  HtmlTable latencies = latency_table();
  add_latencies(latencies, "Online", "a request, submit to answer", figures["latency_seconds"]);
  return html_facts({
             {"clock", text_of(figures, "clock")},
             {"requests", fmt::format("{}, {} of them answered", count_text(figures["requests"]),
              count_text(figures["answered"]))},
             {"not taken", figures["rejected"].empty() ? "none" : pairs_text(figures["rejected"])},
             {"requests a second",
              fmt::format("{:.1f}", figures["requests_per_second"].get<double>())},
             {"useful tokens", percent_text(figures["token_fill"])},
             {"batches",
              fmt::format("{}, each takes {} ({})", count_text(figures["batches"]),
              seconds_text(figures["batch_seconds"]), text_of(figures, "batch_time"))},
             {"closed by", pairs_text(figures["closed_for"])}
  }) +
         latencies.html();
}

std::string bench_html(const Json& bench) {
  const Json& figures = bench["figures"];
  return html_facts({
             {"bench", bench["file"].get<std::string>()}
  }) +
         (figures.contains("runs") ? runs_html(figures) : online_html(figures));
}

std::string policies_html(const Json& policies) {
  const Json& figures = policies["figures"];
  HtmlTable table("policies", "What each policy uses of the rows.",
                  {"policy", "batches", "no packing needs fewer", "useful tokens",
                   "of the requests that batches may hold", "us of the host a request"});
  for (const Json& one : figures["policies"])
    table.add({text_cell(text_of(one, "policy")), count_cell(one["batches"].get<int64_t>()),
               count_cell(one["least_batches"].get<int64_t>()),
               share_cell(one["token_fill"].get<double>()), share_or_none(one, "segment_fill"),
               rate_cell(one, "microseconds_per_request")});
  return html_facts({
             {"policies compared", policies["file"].get<std::string>()},
             {"lengths", text_of(figures, "lengths")},
             {"batch", text_of(figures, "batch")}
  }) +
         table.html();
}

std::string shapes_html(const Json& shapes) {
  const Json& figures = shapes["figures"];
  const Json best = figures.value("best", Json());
  HtmlTable table("shapes", "Shapes that were tried; times and rates are modelled.",
                  {"shape", "", "form", "rows", "row length", "most requests", "a batch takes",
                   "useful tokens", "requests/s", "p50", "p99", "command"});
  const Json& candidates = figures["candidates"];
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Json& one = candidates[i];
    const std::string failure = text_of(one, "failure");
    table.add({count_cell(static_cast<int64_t>(i)),
               text_cell(!failure.empty() ? failure
                         : one == best    ? "best"
                                          : ""),
               text_cell(text_of(one, "form")), count_cell(one["rows"].get<int64_t>()),
               count_cell(one["row_length"].get<int64_t>()),
               count_cell(one["max_valid_num"].get<int64_t>()),
               seconds_or_none(one, "modelled_seconds_per_batch"), share_or_none(one, "token_fill"),
               rate_cell(one, "modelled_requests_per_second"), seconds_or_none(one, "p50_seconds"),
               seconds_or_none(one, "p99_seconds"), text_cell(text_of(one, "command"))});
  }
  return html_facts({
             {"shapes tried", shapes["file"].get<std::string>()},
             {"lengths", text_of(figures, "lengths")},
             {"costs", text_of(figures, "costs")}
  }) +
         table.html();
}

}  // namespace

std::string figures_html(const Json& document) {
  std::string html;
  if (document.contains("bench")) html += bench_html(document["bench"]);
  if (document.contains("policies")) html += policies_html(document["policies"]);
  if (document.contains("shapes")) html += shapes_html(document["shapes"]);
  return html;
}

}  // namespace tessera
