// SPDX-License-Identifier: Apache-2.0
// tessera pack: lengths into a plan, with what it uses of the rows and what any packing needs.
#include "packing/pack.h"

#include <fmt/format.h>

#include <algorithm>

#include "codelets/rules.h"
#include "packing/comparison.h"
#include "packing/offline.h"
#include "packing/picture.h"
#include "program/read_popef.h"
#include "serving/request_contract.h"
#include "support/clock.h"
#include "support/expected.h"
#include "support/human.h"
#include "support/limits.h"
#include "tools/flags/flags.h"
#include "tools/flags/stranger_flags.h"
#include "tools/print/print.h"
#include "tools/print/terminal.h"
#include "tools/verbs/pack_report.h"
#include "tools/verbs/pack_tune.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

po::options_description pack_flags() {
  po::options_description files("Files");
  files.add_options()("words", po::value<Words>(),
                      "LENGTHS: .npy, .jsonl, .csv (a histogram) or a folder of requests; after "
                      "'tune', to choose a shape for them")(
      "output,o", po::value<std::string>()->default_value(""), "the plan file to write")(
      "compare", po::bool_switch(), "tabulate all policies")("picture", po::value<int64_t>(),
                                                             "draw batch number N of the packing")(
      "json", po::bool_switch(), "print the figures as JSON");
  po::options_description batch("Batch");
  batch.add_options()("form", po::value<std::string>()->default_value("B"),
                      "A: end to end; B: no request crosses a row; none: one a row")(
      "rows", po::value<int64_t>()->default_value(16), "of a batch")(
      "row_length", po::value<int64_t>()->default_value(0),
      "tokens of a row; 0: the longest request's")(
      "max_valid_num", po::value<int64_t>()->default_value(0),
      "most requests in a batch; 0: no limit but the tokens")(
      "segment_max_size", po::value<int64_t>()->default_value(0),
      "form A: longest request; 0: the row length")(
      "delimiters", po::value<int64_t>()->default_value(0),
      "form B: free tokens between the requests of a row")(
      "executable", po::value<std::string>()->default_value(""),
      "take form, sizes and limit from this .popef instead");
  po::options_description all;
  all.add(files)
      .add(length_flags())
      .add(batch)
      .add(rule_flags("window", policy_words()))
      .add(tune_flags())
      .add(colour_flags())
      .add(signature_flags())
      .add(compile_flags())
      .add(limit_flags());
  return all;
}

Expected<PackingForm> parse_form(const std::string& word) {
  if (const std::optional<PackingForm> form = parse_packing_form(word)) return *form;
  return Error{fmt::format("--form: '{}', must be A, B or none", word), ErrorKind::Usage};
}

Expected<PackingContract> contract_from(const po::variables_map& flags, int64_t longest) {
  if (const std::string path = flags["executable"].as<std::string>(); !path.empty()) {
    const Limits limits = TRY(limits_of(flags));
    const PopefFile file = TRY(open_popef(path, TRY(required_key(flags)), limits));
    const Executable executable = TRY(read_popef(file, check_compute_set, limits));
    return request_contract(executable.metadata);
  }
  const auto number = [&](const char* name, int64_t least, int64_t most) -> Expected<int64_t> {
    const int64_t value = flags[name].as<int64_t>();
    if (value >= least && value <= most) return value;
    return Error{fmt::format("--{}: {}, must be in {}..{}", name, value, least, most),
                 ErrorKind::Usage};
  };
  constexpr int64_t kMostTokens = int64_t{1} << 28;  // of a batch
  PackingContract contract;
  contract.form = TRY(parse_form(flags["form"].as<std::string>()));
  contract.rows = TRY(number("rows", 1, kMostTokens));
  contract.row_length = TRY(number("row_length", 0, kMostTokens / contract.rows));
  if (contract.row_length == 0)
    contract.row_length = std::min(longest, kMostTokens / contract.rows);
  contract.max_valid_num = TRY(number("max_valid_num", 0, kMostTokens));
  contract.segment_max_size = TRY(number("segment_max_size", 0, contract.row_length));
  contract.zero_delimiters = TRY(number("delimiters", 0, contract.row_length));
  if (contract.form == PackingForm::A) {
    if (contract.segment_max_size == 0) contract.segment_max_size = contract.row_length;
    if (contract.max_valid_num == 0) contract.max_valid_num = row_tokens(contract);
  }
  return contract;
}

void print_plan(const std::string& path) {
  if (!path.empty()) print("plan           {}\n", path);
}

Status compare(const LengthSource& source, const PackingContract& contract, const PackRule& rule,
               bool as_json) {
  const auto packings = TRY(compare_policies(contract, rule, source.lengths));
  if (as_json) {
    print_json(comparison_json(source.what, contract, packings), 2);
    return {};
  }
  print_source(source.what, histogram_of(source.lengths), contract);
  print("least          {} batches, whatever the packing\n",
        human_count(packings.back().occupancy.least_batches));
  print_table(packings);
  return {};
}

Status draw(const PackingContract& contract, const MeasuredPacking& packing, int64_t number,
            bool colour) {
  const int64_t batches = std::ssize(packing.batches);
  if (number < 0 || number >= batches)
    return Error{fmt::format("--picture: {}, must be in 0..{}", number, batches - 1),
                 ErrorKind::Usage};
  const PackedBatch& batch = packing.batches[static_cast<size_t>(number)];
  print("\nbatch {}: {} requests, {} tokens\n{}", number, batch.placements.size(), batch.tokens,
        Picture{draw_batch(contract, batch, {row_columns(), colour})});
  return {};
}

// A histogram as a whole: no request has a number, so the plan says what the rows hold.
Status pack_whole(const LengthHistogram& histogram, const PackingContract& contract,
                  const PackRule& rule, const po::variables_map& flags) {
  if (flags.count("picture"))
    return Error{"--picture: must be of single requests: add --draw COUNT", ErrorKind::Usage};
  if (histogram.longest() > longest_request(contract))
    return Error{fmt::format("pack: a length is {}, must be in 1..{}", histogram.longest(),
                             longest_request(contract))};
  const double start = now_seconds();
  const RowPlan plan{contract, rule, pack_rows(contract, rule, histogram)};
  const double seconds = now_seconds() - start;
  const std::string output = flags["output"].as<std::string>();
  if (!output.empty()) TRY(write_plan(output, plan));
  const std::string what = human_count(histogram.requests()) + " of the histogram";
  if (flags["json"].as<bool>()) {
    nlohmann::ordered_json json = source_json(what, contract);
    json["schema"] = "tessera-pack-rows/1";
    json["policies"].push_back(to_json(plan, histogram, seconds));
    print_json(json, 2);
    return {};
  }
  print_source(what, histogram, contract);
  print_rows(plan, histogram, seconds);
  print_plan(output);
  return {};
}

Status pack_requests(const LengthSource& source, const PackingContract& contract,
                     const PackRule& rule, const po::variables_map& flags) {
  const MeasuredPacking packing = TRY(measure_packing(contract, rule, source.lengths));
  const std::string output = flags["output"].as<std::string>();
  if (!output.empty())
    TRY(write_plan(output, PackPlan{contract, rule, std::ssize(source.lengths), packing.batches}));
  if (flags["json"].as<bool>()) {
    print_json(comparison_json(source.what, contract, std::span(&packing, 1)), 2);
    return {};
  }
  print_source(source.what, histogram_of(source.lengths), contract);
  print_packing(packing);
  print_plan(output);
  if (flags.count("picture"))
    TRY(draw(contract, packing, flags["picture"].as<int64_t>(), TRY(in_colour(flags))));
  return {};
}

Status do_pack(const po::variables_map& flags) {
  Words words = flags.count("words") ? flags["words"].as<Words>() : Words();
  const bool tune = !words.empty() && words[0] == "tune";
  if (tune) words.erase(words.begin());
  if (words.size() > 1)
    return Error{fmt::format("pack: '{}', must be one source of lengths", words[1]),
                 ErrorKind::Usage};
  const bool executables = flags.count(tune ? "executables" : "executable") &&
                           (tune || !flags["executable"].as<std::string>().empty());
  if (flags.count("require_signature") && !executables)
    return Error{"--require_signature: is for executables, must be left out where none is loaded",
                 ErrorKind::Usage};
  const PackRule rule = TRY(pack_rule(flags));
  const LengthSource source =
      TRY(length_source(length_flags_of(flags), words.empty() ? "" : words[0], "pack"));
  if (tune) return run_tune(source, flags);

  const int64_t longest = source.histogram
                              ? source.histogram->longest()
                              : *std::max_element(source.lengths.begin(), source.lengths.end());
  const PackingContract contract = TRY(contract_from(flags, longest));
  TRY(check_contract(contract));
  if (flags["compare"].as<bool>()) return compare(source, contract, rule, flags["json"].as<bool>());
  if (source.histogram && !packs_a_stream(rule.policy))
    return pack_whole(*source.histogram, contract, rule, flags);
  return pack_requests(source, contract, rule, flags);
}

}  // namespace

Verb pack_verb() {
  return {"pack requests by their lengths: a plan, all policies compared, or the best shape",
          "LENGTHS [FLAGS] | tune LENGTHS --input_model MODEL.onnx [FLAGS]",
          "tessera pack lengths.npy --rows 16 --row_length 256 -o plan.json\n"
          "  tessera pack --random 8000 --compare\n"
          "  tessera pack tune lengths.csv --input_model bert.onnx --precision fp16",
          pack_flags,
          "words",
          do_pack,
          false,
          {"tune"},
          true};
}

}  // namespace tessera::tools
