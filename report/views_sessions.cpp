// SPDX-License-Identifier: Apache-2.0
// The views of batches, of compiles, of two reports side by side, and of where all comes from.
#include <fmt/format.h>

#include "report/html.h"
#include "report/views.h"
#include "support/human.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

std::string percent(const Json& share) {
  return fmt::format("{:.1f} %", 100 * share.get<double>());
}
std::string seconds(const Json& json) { return human_seconds(json.get<double>()); }
std::string count(const Json& json) { return human_count(json.get<int64_t>()); }

std::string pairs(const Json& counts) {
  std::string text;
  for (const auto& [word, number] : counts.items())
    text += (text.empty() ? "" : ", ") + word + " " + number.dump();
  return text;
}

std::string fill_text(const Json& occupancy) {
  std::string text = percent(occupancy["token_fill"]) + " of the row tokens";
  if (occupancy["segment_fill"] > 0)
    text += ", " + percent(occupancy["segment_fill"]) + " of the requests that batches may hold";
  return text;
}

std::string advice_list(const Json& advice) {
  std::string html = "<h3>What would save most</h3>\n<ol class=\"advice\">\n";
  for (const Json& one : advice) {
    html += "<li><p>" + html_escaped(one["text"].get<std::string>());
    if (one["saves"] != "")
      html += " <strong>Saves " + html_escaped(one["saves"].get<std::string>()) + ".</strong>";
    html += "</p>";
    if (one["command"] != "")
      html += "<pre><code>" + html_escaped(one["command"].get<std::string>()) + "</code></pre>";
    html += "</li>\n";
  }
  return html + "</ol>\n";
}

void add_bench(const Json& figures, HtmlFacts& facts, const std::string& path = {}) {
  for (const auto& [name, value] : figures.items()) {
    const std::string at = path.empty() ? name : path + " " + name;
    if (value.is_structured())
      add_bench(value, facts, at);
    else
      facts.emplace_back(at, value.is_string() ? value.get<std::string>() : value.dump());
  }
}

std::string run_html(const Json& run) {
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
             {"policy", run["policy"].get<std::string>()},
             {"occupancy", fill_text(run["occupancy"])},
             {"batches",
              fmt::format("{}; no packer needs fewer than {}", count(run["occupancy"]["batches"]),
              count(run["occupancy"]["least_batches"]))},
             {"closed by", pairs(run["closed_for"])},
             {"latency",
              fmt::format("p50 {}, p90 {}, p99 {}, max {}", seconds(run["latency"]["p50"]),
              seconds(run["latency"]["p90"]), seconds(run["latency"]["p99"]),
              seconds(run["latency"]["max"]))}
  }) +
         table.html();
}

std::string advice_html(const Json& advice, size_t number) {
  HtmlTable table(
      fmt::format("advice-{}", number),
      fmt::format("{}: buckets or packing instead. {} batches of {} lengths, {} compiles.",
                  advice["model"].get<std::string>(), count(advice["batches"]),
                  count(advice["lengths"]), count(advice["compiles"])),
      {"option", "", "executables", "compiling", "saves", "useful tokens", "command"});
  const Json& options = advice["options"];
  for (size_t i = 0; i < options.size(); ++i) {
    const Json& one = options[i];
    table.add({text_cell(one["name"]), text_cell(advice["recommended"] == i ? "best" : ""),
               count_cell(one["executables"].get<int64_t>()), seconds_cell(one["compile_seconds"]),
               seconds_cell(one["saved_seconds"]), share_cell(one["useful_share"]),
               text_cell(one["command"])});
  }
  return options.empty() ? "" : table.html();
}

HtmlCell side_count(const Json& row, const char* side, const char* what) {
  return row.contains(side) ? count_cell(row[side][what].get<int64_t>()) : no_cell();
}

HtmlCell change_of(const Json& row, const char* what) {
  if (!row.contains("before") || !row.contains("after")) return no_cell();
  return change_cell(row["after"][what].get<int64_t>() - row["before"][what].get<int64_t>());
}

HtmlTable operations_compared(const Json& difference, size_t number) {
  HtmlTable table(fmt::format("compared-{}", number),
                  "Operations, matched by their ONNX nodes; the most change first.",
                  {"operation", "in", "cycles before", "cycles after", "change", "exchange",
                   "compute", "bytes moved", "most live", "result bytes", "lies elsewhere"});
  for (const Json& row : difference["operations"]) {
    const std::string placed = row["moved"].get<bool>()
                                   ? row["before"]["placed"].get<std::string>() + " → " +
                                         row["after"]["placed"].get<std::string>()
                                   : "";
    table.add({text_cell(row["name"]), text_cell(row["in"]), side_count(row, "before", "cycles"),
               side_count(row, "after", "cycles"), change_cell(row["cycles_change"].get<int64_t>()),
               change_of(row, "exchange"), change_of(row, "compute"), change_of(row, "bytes_moved"),
               change_of(row, "live_bytes"), change_of(row, "result_bytes"), text_cell(placed)});
  }
  return table;
}

HtmlTable compiles_compared(const Json& difference, size_t number) {
  HtmlTable table(fmt::format("compared-{}", number), "Compiles by model and shapes.",
                  {"shapes", "compiles before", "after", "seconds before", "after"});
  for (const Json& row : difference["compiles"]) {
    const auto spent = [&](const char* side) {
      return row.contains(side) ? seconds_cell(row[side]["seconds"]) : no_cell();
    };
    table.add({text_cell(row["shapes"]), side_count(row, "before", "compiles"),
               side_count(row, "after", "compiles"), spent("before"), spent("after")});
  }
  return table;
}

HtmlTable totals_table(const Json& difference, size_t number) {
  HtmlTable table(
      fmt::format("totals-{}", number),
      difference["before"].get<std::string>() + " → " + difference["after"].get<std::string>(),
      {"what", "before", "after", "change"});
  for (const Json& row : difference["totals"]) {
    const bool whole = row["before"].is_number_integer() && row["after"].is_number_integer();
    const auto before = row["before"].get<double>(), after = row["after"].get<double>();
    const auto cell = [&](const Json& side) {
      return whole ? count_cell(side.get<int64_t>()) : seconds_cell(side);
    };
    const HtmlCell change{before == 0 ? "" : fmt::format("{:+.1f} %", 100 * (after / before - 1)),
                          before == 0 ? 0 : after / before - 1,
                          {}};
    table.add({text_cell(row["what"]), cell(row["before"]), cell(row["after"]), change});
  }
  return table;
}

void add_executable(const Json& executable, HtmlFacts& facts) {
  const Json& inspection = executable["inspection"];
  const auto text = [&](const char* name) { return inspection[name].get<std::string>(); };
  facts.emplace_back("executable", executable["file"].get<std::string>());
  facts.emplace_back("its SHA-256", text("sha256"));
  facts.emplace_back("model", text("model"));
  facts.emplace_back("its SHA-256", text("source_sha256"));
  facts.emplace_back("compiled by", "tessera " + text("compiler_version"));
  facts.emplace_back("options", text("options"));
  facts.emplace_back("their SHA-256", text("options_sha256"));
  facts.emplace_back("compiled with", executable["compile_command"].get<std::string>());
}

}  // namespace

std::string verdict_view(const Json& document) {
  const Json& verdict = document["verdict"];
  HtmlFacts facts;
  if (verdict.contains("fits")) {
    facts.emplace_back("memory", verdict["fits"].get<bool>() ? "fits" : "does not fit");
    facts.emplace_back(
        "fullest tile",
        fmt::format(
            "tile {}: {} of {} bytes ({:.0f} %) at '{}'", count(verdict["fullest_tile"]),
            count(verdict["peak_bytes"]), count(verdict["bytes_per_tile"]),
            100 * verdict["peak_bytes"].get<double>() / verdict["bytes_per_tile"].get<double>(),
            verdict["peak_superstep"].get<std::string>()));
    facts.emplace_back("cycles per batch", count(verdict["cycles"]));
    facts.emplace_back("time per batch", seconds(verdict["seconds_per_batch"]) + " modelled on " +
                                             verdict["target"].get<std::string>());
    facts.emplace_back("AMP utilisation", percent(document["executables"][0]["amp"]));
  }
  facts.emplace_back("useful tokens", verdict["useful_token_share"].is_null()
                                          ? "not known: no record, bench result or log was given"
                                          : percent(verdict["useful_token_share"]));
  if (verdict.contains("compiles"))
    facts.emplace_back("compiles",
                       fmt::format("{} in {} on the host: {}", count(verdict["compiles"]),
                                   seconds(verdict["compile_seconds"]), pairs(verdict["causes"])));
  return html_facts(facts) + "<div class=\"chart\" id=\"chart-verdict\"></div>\n" +
         (verdict["advice"].empty() ? "" : advice_list(verdict["advice"]));
}

std::string packing_view(const Json& document) {
  std::string html;
  if (document.contains("executables")) {
    const Json& packing = document["executables"][0]["inspection"]["packing"];
    html += html_facts({
        {"form",            packing["form"].get<std::string>()        },
        {"rows",            count(packing["rows"])                    },
        {"row length",      count(packing["row_length"])              },
        {"most requests",   count(packing["max_valid_num"])           },
        {"longest request", count(packing["segment_max_size"])        },
        {"a request takes", packing["request_size"].get<std::string>()}
    });
  }
  if (document.contains("run")) html += run_html(document["run"]);
  if (document.contains("example")) {
    const Json& example = document["example"];
    html += html_facts({
        {"example", fmt::format("lengths drawn around {:.0f}, at most {}, packed by {}",
         example["mean"].get<double>(), count(example["longest"]),
         example["policy"].get<std::string>())},
        {"occupancy", fill_text(example["occupancy"])}
    });
  }
  if (document.contains("bench")) {
    HtmlFacts facts{
        {"bench", document["bench"]["file"].get<std::string>()}
    };
    add_bench(document["bench"]["figures"], facts);
    html += html_facts(facts);
  }
  return html.empty() ? "" : "<div class=\"chart\" id=\"chart-packing\"></div>\n" + html;
}

std::string recompiles_view(const Json& document) {
  if (!document.contains("logs")) return "";
  const Json& log = document["logs"][0];
  const Json& sums = log["sums"];
  std::string html = html_facts({
      {"log", log["file"].get<std::string>()},
      {"compiles", fmt::format("{} of {} events, {} of compiling", count(sums["compiles"]),
       count(sums["events"]), seconds(sums["compile_seconds"]))},
      {"causes", pairs(sums["causes"])},
      {"waited", fmt::format("{} requests, {} in all", count(sums["requests_blocked"]),
       seconds(sums["blocked_seconds"]))}
  });
  html += "<div class=\"chart\" id=\"chart-recompiles\"></div>\n";
  HtmlTable table("events", "Events; what differs is against the nearest key.",
                  {"event", "kind", "model", "causes", "what differs", "nearest", "shapes", "price",
                   "requests waited", "waited in all"});
  const Json& events = log["events"];
  for (size_t i = 0; i < events.size(); ++i) {
    const Json& one = events[i];
    std::string causes;
    for (const Json& cause : one["causes"])
      causes += (causes.empty() ? "" : ", ") + cause.get<std::string>();
    table.add({
        {fmt::format("{}", i), static_cast<double>(i), fmt::format("#events/{}", i)},
        text_cell(one["kind"]),
        text_cell(one["model"]["name"]),
        text_cell(causes),
        text_cell(one["in_words"]),
        one["nearest"].is_null()
            ? text_cell("")
            : text_cell(one["nearest"].dump(), "#events/" + one["nearest"].dump()),
        text_cell(one["shapes_in_words"]),
        seconds_cell(one["time"]["wall_ms"].get<double>() / 1e3),
        count_cell(one["impact"]["requests_blocked"].get<int64_t>()),
        seconds_cell(one["impact"]["blocked_ms_sum"].get<double>() / 1e3)
    });
  }
  html += table.html();
  for (size_t i = 0; i < log["advice"].size(); ++i) html += advice_html(log["advice"][i], i);
  return html;
}

std::string differences_view(const Json& document) {
  if (!document.contains("differences")) return "";
  std::string html = "<div class=\"chart\" id=\"chart-differences\"></div>\n";
  for (size_t i = 0; i < document["differences"].size(); ++i) {
    const Json& difference = document["differences"][i];
    html += totals_table(difference, i).html();
    html += difference["kind"] == "executables" ? operations_compared(difference, i).html()
                                                : compiles_compared(difference, i).html();
  }
  return html;
}

std::string provenance_view(const Json& document) {
  HtmlFacts facts{
      {"this report",   document["command"].get<std::string>()                              },
      {"made by",       "tessera " + document["tessera"].get<std::string>()                 },
      {"schema",        document["schema"].get<std::string>() +
                     ", as JSON in the element #tessera-report of this file"},
      {"chart library", "D3 by Mike Bostock, BSD-3-Clause; its text is in this file"        }
  };
  if (document.contains("executables"))
    for (const Json& executable : document["executables"]) add_executable(executable, facts);
  std::string html = html_facts(facts);
  if (!document.contains("executables")) return html;
  const Json& first = document["executables"][0];
  HtmlTable blobs("blobs", "Blobs of the executable's file.",
                  {"type", "name", "offset", "bytes", "SHA-256"});
  if (first["inspection"].contains("blobs"))
    for (const Json& blob : first["inspection"]["blobs"])
      blobs.add({text_cell(blob["type"]), text_cell(blob["name"]),
                 count_cell(blob["offset"].get<int64_t>()),
                 count_cell(blob["bytes"].get<int64_t>()), text_cell(blob["sha256"])});
  HtmlTable target("target", "The target's numbers.", {"number", "value"});
  for (const auto& [name, value] : first["target"].items())
    target.add(
        {text_cell(name), text_cell(value.is_string() ? value.get<std::string>() : value.dump())});
  return html + target.html() + blobs.html();
}

}  // namespace tessera
