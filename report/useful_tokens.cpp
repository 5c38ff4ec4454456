// SPDX-License-Identifier: Apache-2.0
#include "report/useful_tokens.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <tuple>

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

auto sizes_of(const PackingContract& contract) {
  return std::tuple(contract.form, contract.rows, contract.row_length, most_requests(contract),
                    longest_request(contract));
}

Json entry(const Json& from, std::string of, const Json& share, Json executable) {
  return {
      {"from",       from                 },
      {"of",         std::move(of)        },
      {"share",      share                },
      {"executable", std::move(executable)}
  };
}

// A run or a plan: its own batches, and what its requests are in the rows of the first executable
// where that pads them.
void add_packed(const ReportInputs& inputs, const Json& packed, const PackingContract& contract,
                Json& shares) {
  const Json& occupancy = packed["occupancy"];
  shares.push_back(entry(packed["file"], packed["batch"].get<std::string>(),
                         occupancy["token_fill"], packed["executable"]));
  if (inputs.executables.empty() || occupancy["requests"] == 0) return;
  const ReportedExecutable& first = inputs.executables[0];
  const PackingContract& own = first.executable.metadata.packing;
  const bool is_padded = own.form == PackingForm::None && own.request_size == RequestSize::Tokens;
  if (!is_padded || packed["executable"] == first.file ||
      longest_request(contract) > own.row_length)
    return;
  const double share = occupancy["tokens"].get<double>() /
                       (occupancy["requests"].get<double>() * static_cast<double>(own.row_length));
  shares.push_back(entry(
      packed["file"], fmt::format("its requests, if each had a row of {} tokens", own.row_length),
      share, first.file));
}

// The executable that a run of a bench names, where it still has that form.
Json executable_of(const ReportInputs& inputs, const Json& run) {
  const auto plain = [](const std::string& file) {
    return std::filesystem::path(file).lexically_normal();
  };
  for (const ReportedExecutable& reported : inputs.executables)
    if (run["form"] == to_string(reported.executable.metadata.packing.form) &&
        plain(run["executable"].get<std::string>()) == plain(reported.file))
      return reported.file;
  return {};
}

void add_bench(const ReportInputs& inputs, const Json& bench, Json& shares) {
  const Json& figures = bench["figures"];
  if (figures.contains("token_fill"))
    shares.push_back(entry(bench["file"], "an online bench", figures["token_fill"], {}));
  if (!figures.contains("runs")) return;
  for (const Json& run : figures["runs"]) {
    if (!run.contains("fill")) continue;
    const auto text = [&](const char* name) { return run[name].get<std::string>(); };
    const std::optional<PackingForm> form = parse_packing_form(text("form"));
    shares.push_back(entry(bench["file"],
                           fmt::format("{} of {}, {}", text("label"), text("executable"),
                                       form ? in_words(*form) : text("form")),
                           run["fill"], executable_of(inputs, run)));
  }
}

void add_log(const Json& log, Json& shares) {
  for (const Json& advice : log["advice"])
    if (!advice["options"].empty())
      shares.push_back(entry(log["file"], "batches of " + advice["model"].get<std::string>(),
                             advice["options"][0]["useful_share"], {}));
}

}  // namespace

Json executable_with(const ReportInputs& inputs, const PackingContract& contract) {
  for (const ReportedExecutable& reported : inputs.executables)
    if (sizes_of(reported.executable.metadata.packing) == sizes_of(contract)) return reported.file;
  return {};
}

Json useful_tokens_json(const ReportInputs& inputs, const Json& document) {
  Json shares = Json::array();
  if (inputs.run) add_packed(inputs, document["run"], inputs.run->run.contract, shares);
  if (inputs.plan) add_packed(inputs, document["plan"], inputs.plan->plan.contract, shares);
  if (inputs.bench) add_bench(inputs, document["bench"], shares);
  if (!inputs.logs.empty()) add_log(document["logs"][0], shares);
  return shares;
}

Json useful_share(const ReportInputs& inputs, const Json& shares) {
  for (const Json& one : shares)
    if (inputs.executables.empty() || one["executable"] == inputs.executables[0].file)
      return one["share"];
  return {};
}

}  // namespace tessera
