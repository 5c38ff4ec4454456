// SPDX-License-Identifier: Apache-2.0
// The views of what an executable does on the machine.
#include <fmt/format.h>

#include <algorithm>

#include "report/html.h"
#include "report/views.h"
#include "support/human.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

const Json* executable_of(const Json& document) {
  return document.contains("executables") ? &document["executables"][0] : nullptr;
}

HtmlCell count_of(const Json& json) { return count_cell(json.get<int64_t>()); }

std::string joined(const Json& words, const char* between) {
  std::string text;
  for (const Json& word : words)
    text +=
        (text.empty() ? "" : between) + (word.is_string() ? word.get<std::string>() : word.dump());
  return text;
}

std::string link_to(const char* view, size_t number) { return fmt::format("#{}/{}", view, number); }

// A list of numbers as pools have it.
std::vector<int64_t> unpooled(const Json& executable, const Json& place) {
  std::vector<int64_t> values;
  for (const Json& run : executable["pools"][place.get<size_t>()]) {
    if (run.is_array())
      values.insert(values.end(), run[1].get<size_t>(), run[0].get<int64_t>());
    else
      values.push_back(run.get<int64_t>());
  }
  return values;
}

constexpr size_t kMostTiles = 20;

std::string tiles_table(const Json& executable) {
  const Json& tiles = executable["tiles"];
  const std::vector<int64_t> peak = unpooled(executable, tiles["peak"]);
  const std::vector<int64_t> always = unpooled(executable, tiles["always_live"]);
  std::vector<std::string> titles{"tile", "peak", "always live"};
  std::vector<std::vector<int64_t>> uses;
  for (const auto& [use, place] : tiles["at_peak"].items()) {
    titles.push_back(in_words(use));
    uses.push_back(unpooled(executable, place));
  }
  std::vector<size_t> order(peak.size());
  for (size_t t = 0; t < order.size(); ++t) order[t] = t;
  std::ranges::stable_sort(order, std::greater<>(), [&](size_t t) { return peak[t]; });
  order.resize(std::min(order.size(), kMostTiles));
  HtmlTable table("tiles",
                  fmt::format("The {} fullest of {} tiles: bytes at the peak of each.",
                              order.size(), human_count(std::ssize(peak))),
                  titles);
  for (const size_t t : order) {
    std::vector<HtmlCell> cells{
        {std::to_string(t), static_cast<double>(t), link_to("tiles", t)},
        count_cell(peak[t]),
        count_cell(always[t])
    };
    for (const std::vector<int64_t>& use : uses) cells.push_back(count_cell(use[t]));
    table.add(cells);
  }
  return table.html();
}

std::string plan_in_words(const Json& plan) {
  std::string words;
  if (plan["serial"] > 1) words += fmt::format("{} parts in turn, ", plan["serial"].get<int64_t>());
  return words + fmt::format("[{},{},{}] by [{},{}]", plan["g"].get<int64_t>(),
                             plan["m"].get<int64_t>(), plan["k"].get<int64_t>(),
                             plan["k"].get<int64_t>(), plan["n"].get<int64_t>());
}

}  // namespace

std::string tiles_view(const Json& document) {
  const Json* executable = executable_of(document);
  if (!executable) return "";
  return "<div class=\"chart\" id=\"chart-tiles\"></div>\n" + tiles_table(*executable);
}

std::string memory_view(const Json& document) {
  const Json* executable = executable_of(document);
  if (!executable) return "";
  const Json& memory = (*executable)["inspection"]["memory"];
  const std::string where = fmt::format("tile {} at '{}'", memory["peak_tile"].get<int64_t>(),
                                        memory["peak_superstep"].get<std::string>());
  HtmlTable uses("uses", "What the fullest tile holds at its peak: " + where + ".",
                 {"use", "bytes", "share"});
  const auto all = static_cast<double>(std::max<int64_t>(1, memory["peak_bytes"].get<int64_t>()));
  for (const auto& [use, bytes] : (*executable)["at_peak"].items())
    uses.add({text_cell(in_words(use)), count_of(bytes), share_cell(bytes.get<double>() / all)});
  const size_t shown = memory.contains("largest") ? memory["largest"].size() : 0;
  HtmlTable largest("largest", fmt::format("The {} largest there.", shown), {"what", "bytes"});
  if (shown > 0)
    for (const Json& holder : memory["largest"])
      largest.add({text_cell(holder["what"]), count_of(holder["bytes"])});
  HtmlTable code("code", "Code there, by codelet.", {"codelet", "bytes"});
  if (executable->contains("code"))
    for (const Json& codelet : (*executable)["code"])
      code.add({text_cell(codelet["codelet"]), count_of(codelet["bytes"])});
  return "<div class=\"chart\" id=\"chart-memory\"></div>\n<div class=\"side\">" + uses.html() +
         largest.html() + code.html() + "</div>";
}

std::string supersteps_view(const Json& document) {
  const Json* executable = executable_of(document);
  if (!executable) return "";
  HtmlTable table(
      "supersteps", "Supersteps in their order. Cycles are the machine's, modelled.",
      {"number", "superstep", "operation", "codelet", "vertices", "cycles", "rearrange", "exchange",
       "compute", "sync", "bytes moved", "balance", "AMP", "not always live"});
  const Json& steps = (*executable)["supersteps"];
  for (size_t i = 0; i < steps.size(); ++i) {
    const Json& step = steps[i];
    const Json& said = (*executable)["inspection"]["supersteps"][i];
    const auto operation = step["operation"].get<size_t>();
    table.add({
        {std::to_string(i), static_cast<double>(i), {}},
        text_cell(said["name"], link_to("supersteps", i)),
        text_cell((*executable)["operations"][operation]["name"], link_to("operations", operation)),
        text_cell(said["codelet"]),
        count_of(said["vertices"]),
        count_of(step["cycles"]),
        count_of(step["rearrange_cycles"]),
        count_of(said["exchange_cycles"]),
        count_of(said["compute_cycles"]),
        count_of(said["sync_cycles"]),
        count_of(said["exchange_bytes"]),
        share_cell(said["balance"]),
        share_cell(step["amp"]),
        count_of(said["not_always_live_bytes"])
    });
  }
  return "<div class=\"chart\" id=\"chart-supersteps\"></div>\n" + table.html();
}

std::string operations_view(const Json& document) {
  const Json* executable = executable_of(document);
  if (!executable) return "";
  HtmlTable table("operations", "ONNX nodes that became the same supersteps are one operation.",
                  {"operation", "codelets", "supersteps", "cycles", "share", "rearrange",
                   "exchange", "compute", "sync", "balance", "AMP", "bytes moved", "messages",
                   "result bytes", "weight bytes", "most live"});
  const Json& operations = (*executable)["operations"];
  for (size_t i = 0; i < operations.size(); ++i) {
    const Json& one = operations[i];
    table.add({text_cell(one["name"], link_to("operations", i)),
               text_cell(joined(one["codelets"], ", ")),
               count_cell(static_cast<int64_t>(one["supersteps"].size())), count_of(one["cycles"]),
               share_cell(one["share"]), count_of(one["rearrange"]), count_of(one["exchange"]),
               count_of(one["compute"]), count_of(one["sync"]), share_cell(one["balance"]),
               share_cell(one["amp"]), count_of(one["bytes_moved"]), count_of(one["messages"]),
               count_of(one["result_bytes"]), count_of(one["weight_bytes"]),
               count_of(one["live_bytes"])});
  }
  HtmlTable plans("plans", "How matmuls were cut: [g,m,k] by [k,n] is what one vertex multiplies.",
                  {"matmul", "dtype", "cut chosen", "plans considered", "cheapest plan",
                   "its cycles", "its bytes on a tile"});
  for (const Json& plan : (*executable)["plans"]) {
    const Json& cheapest = plan["cheapest"][0];
    plans.add({text_cell(fmt::format("[{},{},{}] by [{},{}]", plan["g"].get<int64_t>(),
                                     plan["m"].get<int64_t>(), plan["k"].get<int64_t>(),
                                     plan["k"].get<int64_t>(), plan["n"].get<int64_t>())),
               text_cell(plan["dtype"]), text_cell(plan_in_words(plan["chosen"])),
               count_of(plan["considered"]), text_cell(plan_in_words(cheapest)),
               count_of(cheapest["cycles"]), count_of(cheapest["bytes"])});
  }
  return "<div class=\"chart\" id=\"chart-operations\"></div>\n" + table.html() + plans.html();
}

std::string placement_view(const Json& document) {
  const Json* executable = executable_of(document);
  if (!executable) return "";
  HtmlTable table("variables", "Variables, and how they lie: blocks of a view, one a tile.",
                  {"variable", "kind", "type", "bytes", "view", "block", "first tile",
                   "first superstep", "last superstep"});
  const Json& variables = (*executable)["variables"];
  for (size_t i = 0; i < variables.size(); ++i) {
    const Json& one = variables[i];
    const bool lives = one["life"][1] >= one["life"][0];
    table.add({text_cell(one["name"], link_to("variables", i)), text_cell(one["kind"]),
               text_cell(one["dtype"].get<std::string>() + "[" + joined(one["shape"], ",") + "]"),
               count_of(one["bytes"]), text_cell("[" + joined(one["view"], ",") + "]"),
               text_cell("[" + joined(one["block"], ",") + "]"), count_of(one["first"]),
               lives ? count_of(one["life"][0]) : no_cell(),
               lives ? count_of(one["life"][1]) : no_cell()});
  }
  return "<div class=\"chart\" id=\"chart-placement\"></div>\n" + table.html();
}

}  // namespace tessera
