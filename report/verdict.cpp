// SPDX-License-Identifier: Apache-2.0
#include "report/verdict.h"

#include <fmt/format.h>

#include <algorithm>

#include "compiler/option_rows.h"
#include "compiler/option_values.h"
#include "cost/cost.h"
#include "cost/what_would_help.h"
#include "report/useful_tokens.h"
#include "support/human.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostAdvice = 3;

// `share` of what it is about that would be saved; below 0: not known.
struct Saving {
  std::string text, saves, command;
  double share = -1;
};

std::string words_of(const OptionValues& values) {
  std::string words;
  for (const std::string& word : flag_words(values)) words += " " + shell_word(word);
  return words;
}

OptionValues values_with(const Executable& executable, const OptionValues& changes) {
  OptionValues values = parse_option_values(executable.metadata.options);
  for (const OptionValue& change : changes) {
    const auto at = std::ranges::find(values, change.name, &OptionValue::name);
    if (at == values.end())
      values.push_back(change);
    else
      *at = change;
  }
  return values;
}

// The model's file, where the report knows it: an executable does not.
std::string model_of(const ReportedExecutable& reported) {
  return reported.file.ends_with(".onnx") ? shell_word(reported.file) : "MODEL.onnx";
}

std::string compile_with(const ReportedExecutable& reported, const OptionValues& values) {
  return "tessera compile --input_model " + model_of(reported) + words_of(values) +
         " -o executable.popef";
}

std::string command_with(const ReportedExecutable& reported, const OptionValues& changes) {
  return compile_with(reported, values_with(reported.executable, changes));
}

std::string report_with(const ReportedExecutable& reported, const OptionValues& values) {
  return "tessera report " + model_of(reported) + words_of(values) + " -o report.html";
}

// The changes that compile names, without the changes that were tried.
std::string what_else_would_help(const ReportedExecutable& reported) {
  const Program& program = reported.executable.program;
  std::string text;
  for (const std::string& help : what_would_help(program, program_memory(program))) {
    const bool was_tried = std::ranges::any_of(
        reported.ways, [&](const WayOut& way) { return help.find(way.change) != help.npos; });
    if (!was_tried) text += (text.empty() ? "" : ", ") + help;
  }
  return text;
}

// Only what was compiled and fits is advised; where nothing of it does, the next to try.
void advise_on_fit(const ReportedExecutable& reported, std::vector<Saving>& savings) {
  for (const WayOut& way : reported.ways)
    if (way.fits)
      savings.push_back(
          {fmt::format("It does not fit. Compiled with {} it does: {} bytes on the "
                       "fullest tile, {} cycles per batch{}.",
                       way.change, human_count(way.peak_bytes), human_count(way.cycles),
                       way.rows > 0 ? fmt::format(" of {}", way.rows) : ""),
           "", compile_with(reported, way.values), 1});
  if (!savings.empty()) return;
  if (reported.ways.empty()) {
    savings.push_back({"It does not fit. This compiles variants that may.", "",
                       report_with(reported, values_with(reported.executable, {})), 1});
    return;
  }
  const WayOut& least = *std::ranges::min_element(reported.ways, {}, &WayOut::peak_bytes);
  const bool is_one = reported.ways.size() == 1;
  savings.push_back(
      {fmt::format("{} fits. These changes would help: {}. The command compiles variants of {}.",
                   is_one
                       ? "Neither this nor the variant with " + least.change
                       : fmt::format("Neither this nor any of the {} variants that were compiled",
                                     reported.ways.size()),
                   what_else_would_help(reported),
                   is_one ? "that variant" : "the variant that takes the fewest bytes"),
       "", report_with(reported, least.values), 1});
}

// The host starts the engine once for this many batches.
void advise_on_starts(const ReportedExecutable& reported, const Json& cycles,
                      std::vector<Saving>& savings) {
  constexpr int64_t kBatches = 16;
  Program program = reported.executable.program;
  if (program.host.batches_per_step >= kBatches) return;
  const auto now = cycles["seconds_per_batch"].get<double>();
  const int64_t starts = program.host.batches_per_step;
  program.host.batches_per_step = kBatches;
  const double then = program_cost(program).seconds_per_batch;
  if (then >= now) return;
  savings.push_back({
      fmt::format("The host starts the engine for every {}, which takes {}.",
                  starts == 1 ? "batch" : fmt::format("{} batches", starts),
                  human_seconds(program.target.host_run_seconds)),
      fmt::format("{} of {} per batch (modelled)", human_seconds(now - then), human_seconds(now)),
      command_with(reported, {{"batches_per_step", std::to_string(kBatches)}}
       ),
      (now - then) / now
  });
}

bool is_wide(const Program& program) {
  int64_t wide = 0, all = 0;
  for (const Variable& variable : program.variables) {
    if (variable.kind != VariableKind::Constant) continue;
    all += variable.bytes();
    if (variable.dtype == DType::F32) wide += variable.bytes();
  }
  return wide * 2 > all;
}

void advise_on_executable(const ReportedExecutable& reported, const Json& json,
                          const Json& useful_share, std::vector<Saving>& savings) {
  const Executable& executable = reported.executable;
  const bool fits = json["inspection"]["memory"]["fits"].get<bool>();
  if (fits)
    advise_on_starts(reported, json["inspection"]["cycles"], savings);
  else
    advise_on_fit(reported, savings);
  const PackingContract& packing = executable.metadata.packing;
  if (fits && packing.form == PackingForm::None && packing.request_size == RequestSize::Tokens) {
    const bool known = useful_share.is_number();
    const double wasted = known ? 1 - useful_share.get<double>() : -1;
    savings.push_back({
        "Shorter requests are padded to whole rows. Packed, they share rows.",
        known ? fmt::format("up to {:.0f} % of the tokens of a batch", 100 * wasted)
              : "what padding takes: see Packing",
        command_with(reported, {{"passes", "insert_attention_mask"}}
         ), wasted
    });
  }
  if (fits && is_wide(executable.program))
    savings.push_back({
        "Weights are in fp32. In fp16 they take half the memory, and the matrix unit "
        "multiplies four times as fast.",
        "", command_with(reported, {{"precision", "fp16"}}
          ), -1
    });
}

void advise_on_log(const Json& log, std::vector<Saving>& savings) {
  const auto all = std::max(1e-9, log["sums"]["compile_seconds"].get<double>());
  for (const Json& advice : log["advice"]) {
    if (!advice["recommended"].is_null()) {
      const Json& option = advice["options"][advice["recommended"].get<size_t>()];
      const auto saved = option["saved_seconds"].get<double>();
      savings.push_back(
          {advice["model"].get<std::string>() + ": " + option["name"].get<std::string>() +
               " instead of " +
               (advice["compiles"] == 1 ? "1 compile." : advice["compiles"].dump() + " compiles."),
           human_seconds(saved) + " of compiling (host)", option["command"].get<std::string>(),
           saved / all});
    }
    for (const Json& slip : advice["slips"]) {
      const auto saved = slip["seconds"].get<double>();
      savings.push_back({slip["text"].get<std::string>(),
                         human_seconds(saved) + " of waiting (host)",
                         slip["command"].get<std::string>(), saved / all});
    }
  }
}

Json advice_json(std::vector<Saving> savings) {
  std::ranges::stable_sort(savings, std::greater<>(), &Saving::share);
  savings.resize(std::min(savings.size(), kMostAdvice));
  Json json = Json::array();
  for (const Saving& saving : savings)
    json.push_back({
        {"text",    saving.text                                   },
        {"saves",   saving.saves                                  },
        {"share",   saving.share < 0 ? Json() : Json(saving.share)},
        {"command", saving.command                                }
    });
  return json;
}

}  // namespace

std::string compile_command(const ReportedExecutable& reported) {
  return command_with(reported, {});
}

Json variants_json(const ReportedExecutable& reported) {
  Json variants = Json::array();
  for (const WayOut& way : reported.ways)
    variants.push_back({
        {"change", way.change},
        {"peak_bytes", way.peak_bytes},
        {"cycles", way.cycles},
        {"rows", way.rows},
        {"fits", way.fits},
        {"command", compile_with(reported, way.values)}
    });
  return variants;
}

Json verdict_json(const ReportInputs& inputs, const Json& document) {
  Json verdict = Json::object();
  std::vector<Saving> savings;
  verdict["useful_tokens"] = useful_tokens_json(inputs, document);
  verdict["useful_token_share"] = useful_share(inputs, verdict["useful_tokens"]);
  if (!inputs.executables.empty()) {
    const Json& json = document["executables"][0];
    const Json& inspection = json["inspection"];
    verdict["fits"] = inspection["memory"]["fits"];
    verdict["peak_bytes"] = inspection["memory"]["peak_bytes"];
    verdict["bytes_per_tile"] = json["target"]["bytes_per_tile"];
    verdict["fullest_tile"] = inspection["memory"]["peak_tile"];
    verdict["peak_superstep"] = inspection["memory"]["peak_superstep"];
    verdict["cycles"] = inspection["cycles"]["total"];
    verdict["seconds_per_batch"] = inspection["cycles"]["seconds_per_batch"];
    verdict["target"] = inspection["target"];
    advise_on_executable(inputs.executables[0], json, verdict["useful_token_share"], savings);
  }
  if (!inputs.logs.empty()) {
    verdict["compiles"] = document["logs"][0]["sums"]["compiles"];
    verdict["failed_compiles"] = document["logs"][0]["sums"]["failed_compiles"];
    verdict["compile_seconds"] = document["logs"][0]["sums"]["compile_seconds"];
    verdict["causes"] = document["logs"][0]["sums"]["causes"];
    advise_on_log(document["logs"][0], savings);
  }
  verdict["advice"] = advice_json(std::move(savings));
  return verdict;
}

}  // namespace tessera
