// SPDX-License-Identifier: Apache-2.0
// The view of batches: what is in them, how full they are, and how soon they are answered.
#include <fmt/format.h>

#include "report/html.h"
#include "report/views.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

std::string fill_text(const Json& occupancy) {
  std::string text = percent_text(occupancy["token_fill"]) + " of the row tokens";
  if (occupancy["segment_fill"] > 0)
    text +=
        ", " + percent_text(occupancy["segment_fill"]) + " of the requests that batches may hold";
  return text;
}

std::string batches_text(const Json& occupancy) {
  return fmt::format("{}; no packer needs fewer than {}", count_text(occupancy["batches"]),
                     count_text(occupancy["least_batches"]));
}

std::string most_requests_text(const Json& packing) {
  if (packing["form"] == "none")
    return packing["request_size"] == "batch" ? "1, which fills the batch"
                                              : count_text(packing["rows"]) + ", one a row";
  if (packing["max_valid_num"] == 0) return "as many as there is room for";
  return count_text(packing["max_valid_num"]);
}

std::string longest_text(const Json& packing) {
  const Json& longest =
      packing["form"] == "A" ? packing["segment_max_size"] : packing["row_length"];
  return count_text(longest) + " tokens";
}

std::string takes_text(const Json& packing) {
  const Json& size = packing["request_size"];
  if (packing["form"] != "none") return "its tokens";
  std::string text = size == "tokens" ? "a row, padded behind its tokens"
                     : size == "row"  ? "a whole row"
                                      : "the whole batch";
  const auto why = packing["why_no_less"].get<std::string>();
  return why.empty() ? text : text + ": " + why;
}

// Batches of a record or a plan: their sizes, and whose they are where there are executables.
std::string whose_text(const Json& packed, const Json& document) {
  auto text = packed["batch"].get<std::string>();
  if (!document.contains("executables")) return text;
  if (!packed["executable"].is_null())
    return text + ", as " + packed["executable"].get<std::string>();
  text += "; not those of";
  for (const Json& executable : document["executables"])
    text += (text.ends_with("of") ? " " : " or ") + executable["file"].get<std::string>();
  return text;
}

std::string run_html(const Json& run, const Json& document) {
  HtmlTable table("batches", "Batches in the order of their closing; times are of the record.",
                  {"batch", "closed at", "by", "requests", "tokens", "waiting then", "longest wait",
                   "latency p50", "latency p99"});
  const Json& batches = run["batches"];
  for (size_t i = 0; i < batches.size(); ++i) {
    const Json& one = batches[i];
    table.add({
        {std::to_string(i), static_cast<double>(i), fmt::format("#packing/{}", i)},
        seconds_cell(one["at"]),
        text_cell(one["reason"]),
        count_cell(one["requests"].get<int64_t>()),
        count_cell(one["tokens"].get<int64_t>()),
        count_cell(one["waiting"].get<int64_t>()),
        seconds_cell(one["oldest"]),
        seconds_cell(one["latency"]["p50"]),
        seconds_cell(one["latency"]["p99"])
    });
  }
  return html_facts({
             {"record", run["file"].get<std::string>()},
             {"its batches", whose_text(run, document)},
             {"policy", run["policy"].get<std::string>()},
             {"occupancy", fill_text(run["occupancy"])},
             {"batches", batches_text(run["occupancy"])},
             {"closed by", pairs_text(run["closed_for"])},
             {"latency",
              fmt::format("p50 {}, p90 {}, p99 {}, max {}", seconds_text(run["latency"]["p50"]),
              seconds_text(run["latency"]["p90"]), seconds_text(run["latency"]["p99"]),
              seconds_text(run["latency"]["max"]))}
  }) +
         table.html();
}

std::string plan_html(const Json& plan, const Json& document) {
  HtmlTable table("planned", "Batches of the plan in the order of sending.",
                  {"batch", "requests", "tokens", "of the row tokens"});
  const Json& batches = plan["batches"];
  const double all =
      plan["sizes"]["rows"].get<double>() * plan["sizes"]["row_length"].get<double>();
  for (size_t i = 0; i < batches.size(); ++i)
    table.add({
        {std::to_string(i), static_cast<double>(i), fmt::format("#plan/{}", i)},
        count_cell(batches[i]["requests"].get<int64_t>()),
        count_cell(batches[i]["tokens"].get<int64_t>()),
        share_cell(batches[i]["tokens"].get<double>() / all)
    });
  return html_facts({
             {"plan", plan["file"].get<std::string>()},
             {"its batches", whose_text(plan, document)},
             {"policy", plan["policy"].get<std::string>()},
             {"requests", count_text(plan["occupancy"]["requests"])},
             {"occupancy", fill_text(plan["occupancy"])},
             {"batches", batches_text(plan["occupancy"])}
  }) +
         table.html();
}

}  // namespace

std::string packing_view(const Json& document) {
  std::string html;
  if (document.contains("executables")) {
    const Json& packing = document["executables"][0]["inspection"]["packing"];
    const bool is_packed = packing["form"] != "none";
    html += html_facts({
        {"executable",      document["executables"][0]["file"].get<std::string>()          },
        {"form",            is_packed ? packing["form"].get<std::string>() : "none, padded"},
        {"rows",            count_text(packing["rows"])                                    },
        {"row length",      count_text(packing["row_length"])                              },
        {"most requests",   most_requests_text(packing)                                    },
        {"longest request", longest_text(packing)                                          },
        {"a request takes", takes_text(packing)                                            }
    });
  }
  if (document.contains("run")) html += run_html(document["run"], document);
  if (document.contains("plan")) html += plan_html(document["plan"], document);
  if (document.contains("example")) {
    const Json& example = document["example"];
    html += html_facts({
        {"example", fmt::format("lengths drawn around {:.0f}, at most {}, packed by {}",
         example["mean"].get<double>(), count_text(example["longest"]),
         example["policy"].get<std::string>())},
        {"occupancy", fill_text(example["occupancy"])}
    });
  }
  html += figures_html(document);
  return html.empty() ? "" : "<div class=\"chart\" id=\"chart-packing\"></div>\n" + html;
}

}  // namespace tessera
