// SPDX-License-Identifier: Apache-2.0
// SPFHP and LPFHP on the published histograms: as many packs as the published packers make of them
// (packing_reference.csv beside the histograms), and in what time.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <sstream>

#include "bench/packing.h"
#include "packing/histogram.h"
#include "packing/lengths.h"
#include "support/file.h"

namespace tessera::packing_bench {
namespace {

constexpr double kMostMilliseconds = 50;

struct Reference {
  std::string dataset;
  PackPolicy policy;
  int64_t row_length, depth, packs;
};

Expected<int64_t> number(const std::string& path, const std::string& cell) {
  std::istringstream stream(cell);
  int64_t value = 0;
  if (stream >> value && stream.eof()) return value;
  return Error{fmt::format("{}: '{}', must be a whole number", path, cell), ErrorKind::BadFile};
}

// dataset, row_length, algorithm, max_sequences_per_pack, packs, …; lines of other algorithms are
// left out.
Expected<std::vector<Reference>> read_references(const std::string& path) {
  std::istringstream lines(TRY(read_text_file(path)));
  std::vector<Reference> references;
  std::string line;
  std::getline(lines, line);  // the header
  while (std::getline(lines, line)) {
    std::vector<std::string> cells;
    std::istringstream stream(line);
    for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
    if (cells.size() < 5)
      return Error{path + ": '" + line + "', must have at least 5 cells", ErrorKind::BadFile};
    const auto policy = parse_policy(cells[2]);
    if (!policy) continue;
    references.push_back({cells[0], *policy, TRY(number(path, cells[1])),
                          TRY(number(path, cells[3])), TRY(number(path, cells[4]))});
  }
  return references;
}

void add_figures(SectionResult& result, const Reference& wanted, const LengthHistogram& histogram,
                 double& slowest) {
  const auto start = std::chrono::steady_clock::now();
  const std::vector<BinGroup> groups =
      pack_histogram(histogram, wanted.row_length, wanted.depth, wanted.policy);
  const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
  slowest = std::max(slowest, time.count());
  const int64_t packs = bin_count(groups);
  const std::string name = fmt::format("{} of {} at {}, depth {}", to_string(wanted.policy),
                                       wanted.dataset, wanted.row_length, wanted.depth);
  result.figures.push_back(
      {name, "packs", static_cast<double>(packs), Must::Equal, static_cast<double>(wanted.packs)});
  const auto fill = [&](int64_t rows) {
    return static_cast<double>(histogram.tokens()) / static_cast<double>(rows * wanted.row_length);
  };
  result.figures.push_back(
      {name + ": fill", "of the row tokens", fill(packs), Must::Equal, fill(wanted.packs)});
}

}  // namespace

Expected<SectionResult> histograms(const Options& options) {
  SectionResult result;
  const std::string references = options.data + "/packing_reference.csv";
  std::error_code error;
  if (!std::filesystem::exists(references, error)) {
    result.left_out = "no " + references + ": the published packers' results are not compared";
    return result;
  }
  std::map<std::string, LengthHistogram> by_dataset;
  double slowest = 0;
  for (const Reference& wanted : TRY(read_references(references))) {
    const std::string path = options.data + "/length_histogram_" + wanted.dataset + ".csv";
    if (!by_dataset.count(wanted.dataset))
      by_dataset[wanted.dataset] = TRY(read_histogram_csv(path));
    add_figures(result, wanted, by_dataset[wanted.dataset], slowest);
  }
  result.figures.push_back({"slowest of these", "ms", slowest, Must::BeAtMost, kMostMilliseconds});
  return result;
}

}  // namespace tessera::packing_bench
