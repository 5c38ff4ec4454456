// SPDX-License-Identifier: Apache-2.0
// The views of the verdict, of compiles, of two reports side by side, and of where all comes from.
#include <fmt/format.h>

#include "report/html.h"
#include "report/views.h"
#include "support/human.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

// "1 request", "2 requests", "3 batches"
std::string counted(const Json& count, std::string word) {
  if (count != 1) word += word.ends_with("ch") ? "es" : "s";
  return count_text(count) + " " + word;
}

std::string advice_list(const Json& advice) {
  std::string html = "<h3>What would save most</h3>\n<ol class=\"advice\">\n";
  for (const Json& one : advice) {
    const auto text = one["text"].get<std::string>(), saves = one["saves"].get<std::string>(),
               command = one["command"].get<std::string>();
    html += "<li><p>" + html_escaped(text);
    if (!saves.empty()) html += " <strong>Saves " + html_escaped(saves) + ".</strong>";
    html += "</p>";
    if (!command.empty()) html += "<pre><code>" + html_escaped(command) + "</code></pre>";
    html += "</li>\n";
  }
  return html + "</ol>\n";
}

std::string advice_html(const Json& advice, size_t number) {
  HtmlTable table(
      fmt::format("advice-{}", number),
      fmt::format("{}: buckets or packing instead. {} of {}, {}.",
                  advice["model"].get<std::string>(), counted(advice["batches"], "batch"),
                  counted(advice["lengths"], "length"), counted(advice["compiles"], "compile")),
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
    table.add({text_cell(in_words(row["what"].get<std::string>())), cell(row["before"]),
               cell(row["after"]), change});
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

std::string time_of_batch(const Json& executable) {
  const Json& cycles = executable["inspection"]["cycles"];
  const auto ipus = executable["target"].value("ipus", int64_t{1});
  std::string text = seconds_text(cycles["seconds_per_batch"]) + " modelled on ";
  if (ipus > 1) text += std::to_string(ipus) + " IPUs of ";
  text += executable["inspection"]["target"].get<std::string>();
  if (cycles.contains("latency_seconds") &&
      cycles["latency_seconds"] != cycles["seconds_per_batch"])
    text += "; " + seconds_text(cycles["latency_seconds"]) + " from the start of one to its end";
  return text;
}

std::string ipus_html(const Json& document) {
  if (!document.contains("executables")) return "";
  const Json& inspection = document["executables"][0]["inspection"];
  if (!inspection.contains("ipus")) return "";
  HtmlTable table("ipus", "The IPUs. Cycles are those of the supersteps in which an IPU computes.",
                  {"IPU", "fullest tile", "its bytes at the peak", "always live", "supersteps",
                   "cycles", "of them over links"});
  for (const Json& ipu : inspection["ipus"]) {
    const auto tile = ipu["peak_tile"].get<int64_t>();
    table.add({
        count_cell(ipu["ipu"].get<int64_t>()),
        {std::to_string(tile), static_cast<double>(tile), fmt::format("#tiles/{}", tile)},
        count_cell(ipu["peak_bytes"].get<int64_t>()),
        count_cell(ipu["always_live_bytes"].get<int64_t>()),
        count_cell(ipu["supersteps"].get<int64_t>()),
        count_cell(ipu["cycles"].get<int64_t>()),
        count_cell(ipu["link_cycles"].get<int64_t>())
    });
  }
  return table.html();
}

// The first that is of the report's executable, or, without one, the first.
std::string useful_tokens_text(const Json& document) {
  const Json& shares = document["verdict"]["useful_tokens"];
  if (shares.empty()) return "not known: no record, plan, bench result or log was given";
  const Json first = document.contains("executables") ? document["executables"][0]["file"] : Json();
  for (const Json& one : shares)
    if (first.is_null() || one["executable"] == first)
      return fmt::format("{}: {}, {}", percent_text(one["share"]), one["from"].get<std::string>(),
                         one["of"].get<std::string>());
  return "not known of " + first.get<std::string>();
}

// The table of all inputs; empty where the only input's share was said already.
std::string useful_tokens_html(const Json& document) {
  const Json& verdict = document["verdict"];
  const Json& shares = verdict["useful_tokens"];
  if (shares.empty() || (shares.size() == 1 && !verdict["useful_token_share"].is_null())) return "";
  HtmlTable table("useful", "Useful tokens, by the batches that inputs tell of.",
                  {"input", "batches", "useful tokens", "those of"});
  for (const Json& one : shares)
    table.add({text_cell(one["from"]), text_cell(one["of"]), share_cell(one["share"].get<double>()),
               text_cell(one["executable"].is_null() ? "" : one["executable"].get<std::string>())});
  return table.html();
}

std::string variants_html(const Json& document) {
  if (!document.contains("executables") || !document["executables"][0].contains("variants"))
    return "";
  HtmlTable table("variants", "Variants that were compiled, as it does not fit.",
                  {"with", "fits", "bytes on the fullest tile", "cycles per batch",
                   "rows of a batch", "command"});
  for (const Json& one : document["executables"][0]["variants"]) {
    const bool fits = one["fits"].get<bool>();
    table.add({text_cell(one["change"]), text_cell(fits ? "fits" : "does not fit"),
               count_cell(one["peak_bytes"].get<int64_t>()),
               count_cell(one["cycles"].get<int64_t>()),
               one["rows"] == 0 ? text_cell("as it is") : count_cell(one["rows"].get<int64_t>()),
               text_cell(fits ? one["command"].get<std::string>() : "")});
  }
  return table.html();
}

// "3 (1 failed)"
std::string compiles_text(const Json& compiles, const Json& failed) {
  return count_text(compiles) + (failed == 0 ? "" : " (" + count_text(failed) + " failed)");
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
            "tile {}: {} of {} bytes ({:.0f} %) at '{}'", count_text(verdict["fullest_tile"]),
            count_text(verdict["peak_bytes"]), count_text(verdict["bytes_per_tile"]),
            100 * verdict["peak_bytes"].get<double>() / verdict["bytes_per_tile"].get<double>(),
            verdict["peak_superstep"].get<std::string>()));
    const char* condition = verdict["fits"].get<bool>() ? "" : ", if it did fit";
    facts.emplace_back("cycles per batch", count_text(verdict["cycles"]) + condition);
    facts.emplace_back("time per batch", time_of_batch(document["executables"][0]) + condition);
    facts.emplace_back("AMP utilisation", percent_text(document["executables"][0]["amp"]));
  }
  facts.emplace_back("useful tokens", useful_tokens_text(document));
  if (verdict.contains("compiles"))
    facts.emplace_back(
        "compiles",
        fmt::format("{} in {} on the host: {}",
                    compiles_text(verdict["compiles"], verdict["failed_compiles"]),
                    seconds_text(verdict["compile_seconds"]), pairs_text(verdict["causes"])));
  return html_facts(facts) + "<div class=\"chart\" id=\"chart-verdict\"></div>\n" +
         useful_tokens_html(document) + ipus_html(document) + variants_html(document) +
         (verdict["advice"].empty() ? "" : advice_list(verdict["advice"]));
}

std::string recompiles_view(const Json& document) {
  if (!document.contains("logs")) return "";
  const Json& log = document["logs"][0];
  const Json& sums = log["sums"];
  std::string html = html_facts({
      {"log", log["file"].get<std::string>()},
      {"compiles",
       fmt::format("{} of {}, {} of compiling",
       compiles_text(sums["compiles"], sums["failed_compiles"]),
       counted(sums["events"], "event"), seconds_text(sums["compile_seconds"]))},
      {"causes", pairs_text(sums["causes"])},
      {"waited", fmt::format("{}, {} in all", counted(sums["requests_blocked"], "request"),
       seconds_text(sums["blocked_seconds"]))}
  });
  html += "<div class=\"chart\" id=\"chart-recompiles\"></div>\n";
  std::string caption = "Events; what differs is against the nearest key.";
  if (sums["events"] != log["events"].size())
    caption += fmt::format(" The first {} of {}.", count_text(log["events"].size()),
                           count_text(sums["events"]));
  HtmlTable table("events", caption,
                  {"event", "kind", "model", "causes", "what differs", "nearest", "shapes", "price",
                   "requests waited", "waited in all", "failed with"});
  const Json& events = log["events"];
  for (size_t i = 0; i < events.size(); ++i) {
    const Json& one = events[i];
    std::string causes;
    for (const Json& cause : one["causes"])
      causes += (causes.empty() ? "" : ", ") + in_words(cause.get<std::string>());
    table.add({
        {fmt::format("{}", i), static_cast<double>(i), fmt::format("#events/{}", i)},
        text_cell(in_words(one["kind"].get<std::string>())),
        text_cell(one["model"]["name"]),
        text_cell(causes),
        text_cell(one["in_words"]),
        one["nearest"].is_null()
            ? text_cell("")
            : text_cell(one["nearest"].dump(), "#events/" + one["nearest"].dump()),
        text_cell(one["shapes_in_words"]),
        seconds_cell(one["time"]["wall_ms"].get<double>() / 1e3),
        count_cell(one["impact"]["requests_blocked"].get<int64_t>()),
        seconds_cell(one["impact"]["blocked_ms_sum"].get<double>() / 1e3),
        text_cell(one.value("error", ""))
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
