// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/pack_tune.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <set>
#include <sstream>

#include "support/human.h"
#include "tools/flags/flags.h"
#include "tools/flags/stranger_flags.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"
#include "tools/print/table.h"
#include "tune/shapes.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

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

double seconds(Time time) { return std::chrono::duration<double>(time).count(); }

// A long failure, such as an import's, is told once; `told` are those so far.
std::string failure_in_table(const std::string& failure, std::set<std::string>& told) {
  constexpr size_t kShort = 60;
  return failure.size() <= kShort || told.insert(failure).second ? failure : "as above";
}

Table shape_table() {
  return Table({
      {"form", 4, false},
      {"rows", 5},
      {"length", 6},
      {"limit", 6},
      {"a batch", 10},
      {"window", 7},
      {"tokens", 10},
      {"requests/s", 11},
      {"at rate", 10},
      {"time limit", 11},
      {"p99", 10}
  });
}

void print_shape(const Table& table, const TriedShape& shape, std::set<std::string>& told) {
  const PackingContract& contract = shape.contract;
  const std::string limit = contract.max_valid_num ? std::to_string(contract.max_valid_num) : "-";
  std::vector<std::string> cells = {std::string(to_string(contract.form)),
                                    std::to_string(contract.rows),
                                    std::to_string(contract.row_length), limit};
  if (!shape.failure.empty()) {
    print("{:<4} {:>5} {:>6} {:>6} {}\n", cells[0], cells[1], cells[2], cells[3],
          failure_in_table(shape.failure, told));
    return;
  }
  const TunedShape& tuned = shape.tuned;
  const std::vector<std::string> figures = {
      human_seconds(shape.seconds_per_batch),
      std::to_string(tuned.rule.window),
      fmt::format("{:.2f} %", 100 * tuned.occupancy.token_fill()),
      fmt::format("{:.0f}", tuned.requests_per_second),
      fmt::format("{:.0f}", tuned.rate),
      human_seconds(seconds(tuned.time_limit)),
      human_seconds(seconds(tuned.p99))};
  cells.insert(cells.end(), figures.begin(), figures.end());
  table.print(cells, tuned.keeps_up ? "" : "  does not keep up");
}

void print_table(const LengthSource& source, std::span<const TriedShape> all,
                 const std::string& costs) {
  print("lengths  {}\ncosts    {}\n\n", source.what, costs);
  const Table table = shape_table();
  table.print_heads();
  std::set<std::string> told;
  for (const TriedShape& shape : all) print_shape(table, shape, told);
  table.print_left_out();
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

Expected<ShapeSearch> shape_search(const po::variables_map& flags) {
  ShapeSearch search;
  search.rows = TRY(number_list(flags, "try_rows"));
  search.row_lengths = TRY(number_list(flags, "try_row_length"));
  search.ids = flags["ids"].as<std::string>();
  search.tune.rate = flags["rate"].as<double>();
  if (!flags["pinned"].defaulted()) search.tune.pinned = flags["pinned"].as<int64_t>();
  search.p99_limit = flags["p99_ms"].as<double>() / 1e3;
  if (Status checked = check_shape_search(search); !checked.ok())
    return Error{"--" + checked.error().message, checked.error().kind};
  return search;
}

Expected<std::vector<TriedShape>> compiled(const po::variables_map& flags,
                                           const ShapeSearch& search,
                                           std::span<const int64_t> lengths) {
  const CompileOptions base = TRY(compile_options(flags));
  if (base.pack_args)
    return Error{"pack tune: --pack_args is what tune chooses, must be left out", ErrorKind::Usage};
  Progress progress("pack tune");
  auto all = compile_shapes(
      flags["input_model"].as<std::string>(), base, search, lengths,
      [&](const std::string& what, int64_t done, int64_t of) { progress.step(what, done, of); });
  if (!all && all.error().message.starts_with("try_row_length: "))
    return Error{"--" + all.error().message, all.error().kind};
  return all;
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
  const ShapeSearch search = TRY(shape_search(flags));
  std::vector<TriedShape> all =
      model ? TRY(compiled(flags, search, source.lengths))
            : TRY(shapes_of(flags["executables"].as<Words>(), TRY(required_key(flags)),
                            TRY(limits_of(flags))));
  TRY(tune_shapes(all, source.lengths, search));
  const std::string costs = model ? fmt::format("modelled, of {} compiled for {} at each shape",
                                                flags["input_model"].as<std::string>(),
                                                TRY(compile_options(flags)).target.name)
                                  : "modelled, as the executables say";
  const TriedShape* best = best_shape(all, search);
  if (flags["json"].as<bool>()) {
    print_json(tuning_json(all, best, source.what, costs), 2);
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
