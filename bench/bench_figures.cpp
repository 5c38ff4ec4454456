// SPDX-License-Identifier: Apache-2.0
// bench_figures: modelled throughput beside throughput that was measured on hardware and published,
// row by row; or of a configuration of one's own.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "bench/command_line.h"
#include "bench/figures.h"
#include "bench/modelled.h"
#include "tools/flags/flags.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"

namespace tessera::figures {
namespace {

using tools::po::value;
using Json = nlohmann::ordered_json;

struct Row {
  Figure figure;
  Modelled modelled;
  double ratio() const { return modelled.samples_per_second() / figure.published; }
  double deviation() const { return std::abs(ratio() - 1); }
};

tools::po::options_description own_flags() {
  tools::po::options_description flags("A configuration of one's own");
  flags.add_options()("model", value<std::string>(),
                      "compile this ONNX model instead of the published configurations")(
      "published", value<double>()->default_value(0),
      "samples per second that were measured, to compare with")(
      "avg_seq_len", value<double>()->default_value(128),
      "packed: mean and deviation of the normal distribution that lengths are drawn from")(
      "policy", value<std::string>()->default_value("first_fit"),
      "how form B fills rows: next_fit, first_fit …")(
      "max_valid_num", value<int64_t>()->default_value(0),
      "form B: most requests in a batch; 0: no limit");
  return flags;
}

tools::po::options_description all_flags() {
  tools::po::options_description flags("Figures");
  flags.add_options()("rows", value<std::string>(),
                      "only these rows: 1,3,8 (8: all of its batches; '8 b1': one)")(
      "json", tools::po::bool_switch(), "print the figures as JSON");
  flags.add(own_flags()).add(tools::compile_flags());
  return flags;
}

void print_help() {
  fmt::print(
      "usage: bench_figures [--rows LIST] [--json]\n"
      "       bench_figures --model M.onnx --input_shape NAME=D,D … [FLAGS]\n\n"
      "Compiles every configuration whose throughput on a C600 was published, and prints what the\n"
      "model of the machine says beside it.\n\n"
      "example:\n"
      "  bench_figures --model bert.onnx --input_shape input_ids=16,256 --precision fp16\n\n");
  std::cout << all_flags() << std::flush;
}

bool is_asked(const std::set<std::string>& rows, const std::string& row) {
  return rows.empty() || rows.contains(row) || rows.contains(row.substr(0, row.find(' ')));
}

Expected<std::vector<Figure>> asked_figures(const tools::po::variables_map& flags) {
  std::vector<Figure> all = published_figures();
  if (!flags.count("rows")) return all;
  std::set<std::string> rows;
  std::istringstream words(flags["rows"].as<std::string>());
  for (std::string row; std::getline(words, row, ',');) {
    if (std::ranges::none_of(all, [&](const Figure& f) { return is_asked({row}, f.row); }))
      return Error{fmt::format("--rows: there is no row '{}'", row), ErrorKind::Usage};
    rows.insert(row);
  }
  std::erase_if(all, [&](const Figure& figure) { return !is_asked(rows, figure.row); });
  return all;
}

Expected<std::vector<Row>> run_published(const tools::po::variables_map& flags) {
  ModelFolder folder;
  tools::Progress progress("bench_figures");
  std::vector<Row> rows;
  std::vector<Figure> figures = TRY(asked_figures(flags));
  for (Figure& figure : figures) {
    progress.step(fmt::format("row {}: {}", figure.row, figure.what));
    const std::string path = TRY(folder.path_of(figure.model));
    Modelled modelled = TRY(model_throughput(path, figure.options, figure.requests));
    rows.push_back({std::move(figure), std::move(modelled)});
  }
  return rows;
}

Expected<std::vector<Row>> run_own(const tools::po::variables_map& flags) {
  Figure figure;
  const std::string path = flags["model"].as<std::string>();
  figure.row = "own";
  figure.ended = Ended::Unknown;
  figure.what = std::filesystem::path(path).filename().string();
  figure.options = TRY(tools::compile_options(flags));
  figure.published = flags["published"].as<double>();
  if (!(figure.published >= 0))
    return Error{fmt::format("--published: {}, must not be negative", figure.published),
                 ErrorKind::Usage};
  auto policy = parse_policy(flags["policy"].as<std::string>());
  if (!policy) return Error{"--policy: " + policy.error().message, ErrorKind::Usage};
  figure.requests.rule = *policy;
  figure.requests.most_in_batch = flags["max_valid_num"].as<int64_t>();
  figure.requests.lengths.longest = 0;  // the contract's
  figure.requests.lengths.average = flags["avg_seq_len"].as<double>();
  tools::Progress progress("bench_figures");
  progress.step(path);
  Modelled modelled = TRY(model_throughput(path, figure.options, figure.requests));
  return std::vector<Row>{
      {std::move(figure), std::move(modelled)}
  };
}

// --- What is said ---

const Row* padded_row(const std::vector<Row>& rows, const Row& packed) {
  const auto found =
      std::ranges::find(rows, packed.figure.against, [](const Row& row) { return row.figure.row; });
  return found == rows.end() ? nullptr : &*found;
}

struct Gain {
  double published, modelled;
};
Gain gain_over(const Row& padded, const Row& packed) {
  return {packed.figure.published / padded.figure.published,
          packed.modelled.samples_per_second() / padded.modelled.samples_per_second()};
}

// This part of a batch's time, in percent.
double share(const Row& row, Cycles part, double clock_hz) {
  return 100 * static_cast<double>(part.value) / clock_hz / row.modelled.cost.seconds_per_batch;
}

// By choice: its mark in the table, its word in JSON, and what the mark means.
struct ChoiceText {
  const char *mark, *word, *meaning;
};
ChoiceText text_of(Chosen chosen) {
  switch (chosen) {
    case Chosen::Nothing: return {"", "", ""};
    case Chosen::Knobs: return {" k", "knobs", "the knobs were chosen"};
    case Chosen::Transposition:
      return {" t", "transposition", "the cost of transposing scores was chosen"};
    case Chosen::Power: return {" p", "power", "the cost of a cube by power was chosen"};
    case Chosen::Erf: return {" e", "erf", "the cost of erf_v2 was chosen"};
  }
  return {};
}

void print_row(const Row& row) {
  const Modelled& is = row.modelled;
  const double clock = row.figure.options.target.clock_hz;
  const std::string name = row.figure.row + text_of(row.figure.in_view_for).mark;
  const bool oom = row.figure.ended == Ended::OutOfMemory;
  const std::string published = row.figure.published > 0
                                    ? fmt::format("{:.1f}", row.figure.published)
                                : oom ? "oom"
                                      : "-";
  const std::string ratio = row.figure.published > 0 ? fmt::format("{:.3f}", row.ratio()) : "-";
  fmt::print(
      "{:<15} {:>9} {:>9.1f} {:>6} {:>9.3f} {:>5.1f} {:>5.1f} {:>5.1f} {:>5.1f} {:>5.1f} {:>6.1f} "
      "{}{}\n",
      name, published, is.samples_per_second(), ratio, is.cost.seconds_per_batch * 1e3,
      share(row, is.cost.compute, clock), share(row, is.cost.rearrange, clock),
      share(row, is.cost.exchange, clock), share(row, is.cost.sync, clock),
      100 * is.cost.host_seconds / is.cost.seconds_per_batch,
      100.0 * static_cast<double>(is.peak_bytes) / static_cast<double>(is.bytes_per_tile),
      row.figure.what, is.fits ? "" : " (OUT OF MEMORY)");
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

struct Summary {
  size_t rows = 0;
  double median = 0, worst = 0;
  std::string worst_row;
};

// Sums up the rows that have a published figure; `unseen`: only rows that no choice had in view.
Summary summary_of(const std::vector<Row>& rows, bool unseen) {
  std::vector<double> deviations;
  Summary summary;
  for (const Row& row : rows) {
    if (row.figure.published <= 0 || (unseen && row.figure.in_view_for != Chosen::Nothing))
      continue;
    deviations.push_back(row.deviation());
    if (row.deviation() < summary.worst) continue;
    summary.worst = row.deviation();
    summary.worst_row = row.figure.row;
  }
  summary.rows = deviations.size();
  if (summary.rows > 0) summary.median = median(deviations);
  return summary;
}

void print_summary(const char* what, const Summary& summary) {
  if (summary.rows == 0) return;
  fmt::print("{:<32} median deviation {:.1f} %, worst {:.1f} % (row {})\n",
             fmt::format("{} {}:", summary.rows, what), 100 * summary.median, 100 * summary.worst,
             summary.worst_row);
}

void print_gains(const std::vector<Row>& rows) {
  bool any = false;
  for (const Row& row : rows) {
    const Row* padded = padded_row(rows, row);
    if (!padded) continue;
    const Gain gain = gain_over(*padded, row);
    if (!std::exchange(any, true)) fmt::print("\nPacked over padded:\n");
    fmt::print("{:<15} published {:.2f}, modelled {:.2f}, ratio {:.3f}\n", row.figure.row,
               gain.published, gain.modelled, gain.modelled / gain.published);
  }
}

// Whether tiles hold what they are known to have held, and only that.
bool memory_agrees(const Row& row) {
  return row.figure.ended == Ended::Unknown ||
         row.modelled.fits == (row.figure.ended == Ended::Ran);
}

void print_memory(const std::vector<Row>& rows) {
  std::vector<std::string> wrong;
  size_t known = 0;
  for (const Row& row : rows) {
    known += row.figure.ended != Ended::Unknown;
    if (!memory_agrees(row)) wrong.push_back(row.figure.row);
  }
  if (known == 0) return;
  fmt::print("\nMemory: {} of {} ran or did not, as published{}{}\n", known - wrong.size(), known,
             wrong.empty() ? "" : "; not ", fmt::join(wrong, ", "));
}

void print_notes(const std::vector<Row>& rows) {
  std::vector<std::pair<std::string, std::string>> notes;  // the note, and the rows that share it
  for (const Row& row : rows) {
    if (row.figure.note.empty()) continue;
    if (notes.empty() || notes.back().first != row.figure.note)
      notes.push_back({row.figure.note, row.figure.row});
    else
      notes.back().second += ", " + row.figure.row;
  }
  if (!notes.empty()) fmt::print("\n");
  for (const auto& [note, of] : notes) fmt::print("{}: {}\n", of, note);
}

void print_table(const std::vector<Row>& rows) {
  fmt::print("{:<15} {:>9} {:>9} {:>6} {:>9} {:>5} {:>5} {:>5} {:>5} {:>5} {:>6} {}\n", "",
             "samples/s", "samples/s", "", "modelled", "comp.", "arr.", "exch.", "sync", "host",
             "memory", "");
  fmt::print("{:<15} {:>9} {:>9} {:>6} {:>9} {:>5} {:>5} {:>5} {:>5} {:>5} {:>6} {}\n", "row",
             "published", "modelled", "ratio", "ms/batch", "%", "%", "%", "%", "%", "%",
             "configuration");
  for (const Row& row : rows) print_row(row);
  fmt::print("\n");
  print_summary("rows", summary_of(rows, false));
  print_summary("in view of no choice", summary_of(rows, true));
  print_gains(rows);
  print_memory(rows);
  print_notes(rows);
  fmt::print("\n");
  for (Chosen chosen : {Chosen::Knobs, Chosen::Transposition, Chosen::Power, Chosen::Erf})
    if (std::ranges::any_of(rows, [&](const Row& row) { return row.figure.in_view_for == chosen; }))
      fmt::print("{}: the row was in view when {}\n", text_of(chosen).mark + 1,
                 text_of(chosen).meaning);
}

Json row_json(const Row& row, const Row* padded) {
  const Modelled& is = row.modelled;
  Json json = {
      {"row",                         row.figure.row                      },
      {"configuration",               row.figure.what                     },
      {"options",                     to_string(row.figure.options)       },
      {"in_view",                     text_of(row.figure.in_view_for).word},
      {"modelled_samples_per_second", is.samples_per_second()             },
      {"modelled_seconds_per_batch",  is.cost.seconds_per_batch           },
      {"requests_per_batch",          is.requests_per_batch               },
      {"cycles",
       {{"total", is.cost.total.value},
        {"compute", is.cost.compute.value},
        {"rearrange", is.cost.rearrange.value},
        {"exchange", is.cost.exchange.value},
        {"sync", is.cost.sync.value}}                                     },
      {"host_seconds",                is.cost.host_seconds                },
      {"peak_tile_bytes",             is.peak_bytes                       },
      {"fits",                        is.fits                             },
      {"memory_agrees",               memory_agrees(row)                  },
      {"compile_seconds",             is.compile_seconds                  }
  };
  if (row.figure.published > 0) {
    json["published_samples_per_second"] = row.figure.published;
    json["ratio"] = row.ratio();
  }
  if (padded) {
    const Gain gain = gain_over(*padded, row);
    json["gain"] = {
        {"published", gain.published},
        {"modelled",  gain.modelled }
    };
  }
  if (!row.figure.note.empty()) json["note"] = row.figure.note;
  return json;
}

Json summary_json(const Summary& summary) {
  return {
      {"rows",             summary.rows     },
      {"median_deviation", summary.median   },
      {"worst_deviation",  summary.worst    },
      {"worst_row",        summary.worst_row}
  };
}

void print_json(const std::vector<Row>& rows) {
  Json json;
  for (const Row& row : rows) json["rows"].push_back(row_json(row, padded_row(rows, row)));
  json["all"] = summary_json(summary_of(rows, false));
  json["not_in_view"] = summary_json(summary_of(rows, true));
  fmt::print("{}\n", json.dump(2));
}

Status run(const tools::po::variables_map& flags) {
  const std::vector<Row> rows =
      flags.count("model") ? TRY(run_own(flags)) : TRY(run_published(flags));
  if (flags["json"].as<bool>())
    print_json(rows);
  else
    print_table(rows);
  return {};
}

}  // namespace
}  // namespace tessera::figures

int main(int argc, char** argv) {
  using namespace tessera::figures;
  return tessera::bench_main({"bench_figures", all_flags(), print_help, run}, argc, argv);
}
