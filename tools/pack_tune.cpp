// SPDX-License-Identifier: Apache-2.0
#include "tools/pack_tune.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>

#include "codelets/rules.h"
#include "compiler/compile.h"
#include "serving/batch_runner.h"
#include "serving/tune.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/stranger_flags.h"

namespace tessera::tools {
namespace {

using Json = nlohmann::ordered_json;
using Words = std::vector<std::string>;

// A shape that was compiled, or could not be.
struct TriedShape {
  std::string file;  // of --executables; "" where it was compiled here
  CompileOptions options;
  std::string command;           // that compiles it
  PackingContract contract;      // what was asked for; once compiled, what it is
  double seconds_per_batch = 0;  // modelled
  std::string failure;           // why there is no cost, "" if there is
  TunedShape tuned;
};

// The command that compiles what an executable says of its options.
std::string command_of(const std::string& options, const std::string& model,
                       const std::string& output) {
  std::string words = "tessera compile --input_model " + shell_word(model);
  for (const std::string& word : flag_words(parse_option_values(options)))
    words += " " + shell_word(word);
  return words + " -o " + shell_word(output);
}

std::string output_name(const PackingContract& contract) {
  const std::string form = contract.form == PackingForm::None
                               ? "padded"
                               : fmt::format("packed_{}", to_string(contract.form));
  return fmt::format("{}_{}x{}.popef", form, contract.rows, contract.row_length);
}

Expected<std::vector<int64_t>> number_list(const po::variables_map& flags, const char* flag) {
  std::vector<int64_t> numbers;
  std::istringstream words(flags[flag].as<std::string>());
  for (std::string word; std::getline(words, word, ',');) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || value < 1 || value > 1 << 20)
      return Error{
          fmt::format("--{}: '{}', must be whole numbers in 1..{}: 8,16", flag, word, 1 << 20),
          ErrorKind::Usage};
    numbers.push_back(value);
  }
  return numbers;
}

// The shapes to try: padded at the longest request, both packed forms at every row length.
Expected<std::vector<TriedShape>> wanted(const po::variables_map& flags,
                                         std::span<const int64_t> lengths) {
  const CompileOptions base = TRY(compile_options(flags));
  if (base.pack_args)
    return Error{"pack tune: --pack_args is what tune chooses, must be left out", ErrorKind::Usage};
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  const int64_t rounded = (longest + 7) / 8 * 8;
  std::vector<int64_t> row_lengths = TRY(number_list(flags, "try_row_length"));
  if (row_lengths.empty()) row_lengths = {rounded, 2 * rounded};
  std::vector<TriedShape> all;
  const auto add = [&](PackingContract contract, const CompileOptions& options) {
    TriedShape& shape = all.emplace_back();
    shape.contract = contract;
    shape.options = options;
    shape.options.input_shape[flags["ids"].as<std::string>()] = {contract.rows,
                                                                 contract.row_length};
  };
  for (const int64_t rows : TRY(number_list(flags, "try_rows"))) {
    for (const int64_t row_length : row_lengths) {
      if (row_length < longest)
        return Error{fmt::format("--try_row_length: {}, must hold the longest request of {} tokens",
                                 row_length, longest),
                     ErrorKind::Usage};
      PackingContract contract;
      contract.rows = rows;
      contract.row_length = row_length;
      if (row_length == row_lengths.front()) add(contract, base);
      contract.form = PackingForm::B;
      CompileOptions with_mask = base;
      with_mask.passes.push_back("insert_attention_mask");
      add(contract, with_mask);
      contract.form = PackingForm::A;
      contract.segment_max_size = std::min(rounded, row_length);
      for (const int64_t limit : request_limits(contract, lengths)) {
        CompileOptions with_packs = base;
        contract.max_valid_num = limit;
        with_packs.pack_args = PackArgs{limit, contract.segment_max_size};
        add(contract, with_packs);
      }
    }
  }
  return all;
}

// What did not fit in the same form with no more of anything will not fit with more.
bool is_hopeless(const TriedShape& shape, std::span<const TriedShape> before) {
  return std::any_of(before.begin(), before.end(), [&](const TriedShape& other) {
    return other.failure.starts_with("does not fit") &&
           other.contract.form == shape.contract.form &&
           other.contract.rows <= shape.contract.rows &&
           other.contract.row_length <= shape.contract.row_length &&
           other.contract.max_valid_num <= shape.contract.max_valid_num;
  });
}

void compile_shape(TriedShape& shape, const std::string& model) {
  shape.command = command_of(to_string(shape.options), model, output_name(shape.contract));
  auto result = compile(model, shape.options);
  if (!result) {
    shape.failure = result.error().message;
    return;
  }
  const Metadata& metadata = result->executable.metadata;
  if (result->out_of_memory) {
    shape.failure = fmt::format("does not fit: {} bytes on a tile of {}",
                                human_count(metadata.memory.peak_bytes),
                                human_count(result->executable.program.target.bytes_per_tile));
    return;
  }
  auto contract = request_contract(metadata);
  if (!contract) {
    shape.failure = contract.error().message;
    return;
  }
  shape.contract = contract.take();
  shape.seconds_per_batch = metadata.cycles.seconds_per_batch;
}

Expected<std::vector<TriedShape>> compiled(const po::variables_map& flags,
                                           std::span<const int64_t> lengths) {
  const std::string model = flags["input_model"].as<std::string>();
  std::vector<TriedShape> all = TRY(wanted(flags, lengths));
  Progress progress("pack tune");
  for (size_t i = 0; i < all.size(); ++i) {
    TriedShape& shape = all[i];
    progress.step(fmt::format("compiling form {} {}x{},", to_string(shape.contract.form),
                              shape.contract.rows, shape.contract.row_length),
                  static_cast<int64_t>(i), std::ssize(all));
    if (is_hopeless(shape, std::span(all).first(i)))
      shape.failure = "not tried: a smaller one does not fit";
    else
      compile_shape(shape, model);
  }
  return all;
}

Expected<std::vector<TriedShape>> from_executables(const Words& paths,
                                                   const std::optional<PublicKey>& key,
                                                   const Limits& limits) {
  std::vector<TriedShape> all;
  for (const std::string& path : paths) {
    const Executable executable =
        TRY(read_popef(TRY(open_popef(path, key, limits)), check_compute_set, limits));
    const Metadata& metadata = executable.metadata;
    TriedShape& shape = all.emplace_back();
    shape.file = path;
    shape.contract = TRY(request_contract(metadata));
    shape.seconds_per_batch = metadata.cycles.seconds_per_batch;
    shape.command = command_of(metadata.options, "MODEL.onnx", path);
    if (!metadata.memory.fits) shape.failure = "does not fit its target";
  }
  return all;
}

double seconds(Time time) { return std::chrono::duration<double>(time).count(); }

Status tune_tried(TriedShape& shape, std::span<const int64_t> lengths, const TuneOptions& options) {
  if (!shape.failure.empty()) return {};
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  if (longest > longest_request(shape.contract)) {
    shape.failure = fmt::format("takes requests of up to {} tokens, the longest has {}",
                                longest_request(shape.contract), longest);
    return {};
  }
  const auto batch_time = std::chrono::duration_cast<Time>(
      std::chrono::duration<double>(seconds_of_batch(shape.seconds_per_batch)));
  shape.tuned = TRY(tune_shape(shape.contract, std::max(batch_time, Time(1)), lengths, options));
  return {};
}

// At a given rate the shortest wait among those that keep up, otherwise the most requests.
const TriedShape* best_of(std::span<const TriedShape> all, bool rate_given, double p99_limit) {
  const TriedShape* best = nullptr;
  for (const TriedShape& shape : all) {
    if (!shape.failure.empty()) continue;
    const TunedShape& tuned = shape.tuned;
    if (rate_given && !tuned.keeps_up) continue;
    if (p99_limit > 0 && seconds(tuned.p99) > p99_limit) continue;
    if (!best || (rate_given ? tuned.p99 < best->tuned.p99
                             : tuned.requests_per_second > best->tuned.requests_per_second))
      best = &shape;
  }
  return best;
}

Json to_json(const TriedShape& shape) {
  const PackingContract& contract = shape.contract;
  Json json = {
      {"form",          to_string(contract.form)},
      {"rows",          contract.rows           },
      {"row_length",    contract.row_length     },
      {"max_valid_num", contract.max_valid_num  },
      {"command",       shape.command           }
  };
  if (!shape.file.empty()) json["executable"] = shape.file;
  if (!shape.failure.empty()) {
    json["failure"] = shape.failure;
    return json;
  }
  const TunedShape& tuned = shape.tuned;
  json["modelled_seconds_per_batch"] = shape.seconds_per_batch;
  json["window"] = tuned.rule.window;
  json["pinned"] = tuned.rule.pinned;
  json["token_fill"] = tuned.occupancy.token_fill();
  json["requests_per_batch"] =
      static_cast<double>(tuned.occupancy.requests) / static_cast<double>(tuned.occupancy.batches);
  json["modelled_requests_per_second"] = tuned.requests_per_second;
  json["rate"] = tuned.rate;
  json["keeps_up"] = tuned.keeps_up;
  json["timeout_microseconds"] = seconds(tuned.time_limit) * 1e6;
  json["p50_seconds"] = seconds(tuned.p50);
  json["p99_seconds"] = seconds(tuned.p99);
  return json;
}

void print_shape(const TriedShape& shape) {
  const PackingContract& contract = shape.contract;
  print("{:<4} {:>5} {:>6} {:>6} ", to_string(contract.form), contract.rows, contract.row_length,
        contract.max_valid_num ? std::to_string(contract.max_valid_num) : "-");
  if (!shape.failure.empty()) {
    print("{}\n", shape.failure);
    return;
  }
  const TunedShape& tuned = shape.tuned;
  print("{:>10} {:>7} {:>8.2f} % {:>11.0f} {:>10.0f} {:>11} {:>10}{}\n",
        human_seconds(shape.seconds_per_batch), tuned.rule.window,
        100 * tuned.occupancy.token_fill(), tuned.requests_per_second, tuned.rate,
        human_seconds(seconds(tuned.time_limit)), human_seconds(seconds(tuned.p99)),
        tuned.keeps_up ? "" : "  does not keep up");
}

void print_table(const LengthSource& source, std::span<const TriedShape> all,
                 const std::string& costs) {
  print("lengths  {}\ncosts    {}\n\n", source.what, costs);
  print("{:<4} {:>5} {:>6} {:>6} {:>10} {:>7} {:>10} {:>11} {:>10} {:>11} {:>10}\n", "form", "rows",
        "length", "limit", "a batch", "window", "tokens", "requests/s", "at rate", "time limit",
        "p99");
  for (const TriedShape& shape : all) print_shape(shape);
}

void print_best(const TriedShape& best) {
  const TunedShape& tuned = best.tuned;
  print(
      "\nbest: form {}, {} rows of {}: {:.0f} requests/s modelled; at {:.0f}/s p50 {}, p99 "
      "{}\n",
      to_string(best.contract.form), best.contract.rows, best.contract.row_length,
      tuned.requests_per_second, tuned.rate, human_seconds(seconds(tuned.p50)),
      human_seconds(seconds(tuned.p99)));
  print("compile:  {}\n", best.command);
  print("packing:  --policy window --window {} --pinned {} --timeout_microseconds {:.0f}\n",
        tuned.rule.window, tuned.rule.pinned, seconds(tuned.time_limit) * 1e6);
}

}  // namespace

po::options_description tune_flags() {
  po::options_description flags("Tune: costs are of --input_model, compiled with the flags below");
  flags.add_options()("input_model,i", po::value<std::string>(), "the ONNX model")(
      "executables", po::value<Words>()->multitoken(),
      "in place of a model: executables to choose among, by the cycles that they hold")(
      "try_rows", po::value<std::string>()->default_value("8,16,32"), "rows to try: 8,16")(
      "try_row_length", po::value<std::string>()->default_value(""),
      "row lengths to try; default: the longest request, rounded up to 8, and twice that")(
      "rate", po::value<double>()->default_value(0),
      "requests per second to plan for: the best answers soonest; 0: the best answers most, times "
      "are at 80 % of what each can")("p99_ms", po::value<double>()->default_value(0),
                                      "longest wait for 99 % of the answers; 0: no limit");
  return flags;
}

Status run_tune(const LengthSource& source, const po::variables_map& flags) {
  const bool model = flags.count("input_model"), executables = flags.count("executables");
  if (model == executables)
    return Error{"pack tune: must be given either --input_model or --executables",
                 ErrorKind::Usage};
  TuneOptions options;
  options.rate = flags["rate"].as<double>();
  if (!flags["pinned"].defaulted()) options.pinned = flags["pinned"].as<int64_t>();
  const double p99_limit = flags["p99_ms"].as<double>() / 1e3;
  if (!(options.rate >= 0 && options.rate <= 1e9))
    return Error{fmt::format("--rate: {}, must be in 0..1e9", options.rate), ErrorKind::Usage};
  if (!(p99_limit >= 0)) return Error{"--p99_ms: must not be negative", ErrorKind::Usage};

  std::vector<TriedShape> all =
      model ? TRY(compiled(flags, source.lengths))
            : TRY(from_executables(flags["executables"].as<Words>(), TRY(required_key(flags)),
                                   TRY(limits_of(flags))));
  for (TriedShape& shape : all) TRY(tune_tried(shape, source.lengths, options));
  const std::string costs = model ? fmt::format("modelled, of {} compiled for {} at each shape",
                                                flags["input_model"].as<std::string>(),
                                                TRY(compile_options(flags)).target.name)
                                  : "modelled, as the executables say";
  const TriedShape* best = best_of(all, options.rate > 0, p99_limit);
  if (flags["json"].as<bool>()) {
    Json json = {
        {"lengths", source.what},
        {"costs",   costs      },
        {"best",    nullptr    }
    };
    for (const TriedShape& shape : all) json["candidates"].push_back(to_json(shape));
    if (best) json["best"] = to_json(*best);
    print_json(json, 2);
  } else {
    print_table(source, all, costs);
    if (best) print_best(*best);
  }
  if (!best)
    return Error{"pack tune: no shape fits, keeps up and answers in time; see the table",
                 ErrorKind::Refused};
  return {};
}

}  // namespace tessera::tools
