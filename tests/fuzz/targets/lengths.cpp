// SPDX-License-Identifier: Apache-2.0
// Records of requests: lengths as JSON lines, histograms and traces as CSV, told apart by their
// first characters. Lengths that can be read are packed.
#include "packing/lengths.h"

#include "packing/offline.h"
#include "serving/online_load.h"
#include "tests/fuzz/json_mutator.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/text_mutator.h"

namespace tessera::fuzz {
namespace {

constexpr int64_t kRowLength = 512;

bool is_histogram(std::string_view input) { return input.starts_with("length"); }
bool is_trace(std::string_view input) { return input.starts_with("seconds"); }

void pack(std::vector<int64_t> lengths) {
  std::erase_if(lengths, [](int64_t length) { return length > kRowLength; });
  lengths.resize(std::min<size_t>(lengths.size(), 4096));
  PackingContract contract;
  contract.form = PackingForm::B;
  contract.rows = 4;
  contract.row_length = kRowLength;
  note("packed");
  for (const PackPolicy policy : all_policies()) {
    const auto batches = pack_offline(contract, policy, lengths);
    demand(batches.ok(), "lengths that fit cannot be packed");
    int64_t tokens = 0, wanted = 0;
    for (const PackedBatch& batch : *batches) tokens += batch.tokens;
    for (const int64_t length : lengths) wanted += length;
    demand(tokens == wanted, "tokens are lost");
  }
}

void run_histogram(std::string_view input) {
  const auto histogram = read_histogram_csv(file_of(input, ".csv"));
  if (!histogram) return demand(!histogram.error().message.empty(), "an error without words");
  note("histograms");
  if (histogram->requests() == 0) return;
  demand(histogram->longest() <= kLongestLength, "a length beyond the longest");
  demand(draw_lengths(*histogram, 64, 1).size() == 64, "lengths were not drawn");
  if (histogram->longest() > kRowLength) return;
  const auto bins = pack_histogram(*histogram, kRowLength, 0, PackPolicy::Lpfhp);
  demand(bin_count(bins) > 0, "requests in no bin");
}

}  // namespace

void run(std::string_view input) {
  if (is_histogram(input)) return run_histogram(input);
  if (is_trace(input)) {
    const auto trace = read_trace(file_of(input, ".csv"));
    if (trace.ok()) note("traces");
    return demand(trace.ok() || !trace.error().message.empty(), "an error without words");
  }
  const bool npy = input.starts_with("\x93NUMPY");
  auto lengths = read_lengths(file_of(input, npy ? ".npy" : ".jsonl"));
  if (!lengths) return demand(!lengths.error().message.empty(), "an error without words");
  for (const int64_t length : *lengths)
    demand(length >= 1 && length <= kLongestLength, "a length out of range");
  pack(lengths.take());
}

std::string mutate(std::string_view input, Random& random) {
  if (input.starts_with('{')) return mutate_json_lines(input, random);
  if (input.starts_with('\x93')) return mutate_bytes(input, random);
  return mutate_text(input, random);
}

}  // namespace tessera::fuzz
