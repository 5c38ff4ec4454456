// SPDX-License-Identifier: Apache-2.0
#include "packing/occupancy.h"

#include <algorithm>

#include "support/math.h"

namespace tessera {
namespace {

double ratio(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

}  // namespace

double Occupancy::token_fill() const { return ratio(tokens, row_tokens); }
double Occupancy::segment_fill() const { return ratio(requests, segments); }

int64_t least_rows(int64_t tokens, int64_t row_length) { return ceil_div(tokens, row_length); }

Occupancy occupancy(const PackingContract& contract, std::span<const PackedBatch> batches) {
  Occupancy out;
  out.batches = std::ssize(batches);
  out.row_tokens = out.batches * row_tokens(contract);
  for (const PackedBatch& batch : batches) {
    out.requests += std::ssize(batch.placements);
    out.tokens += batch.tokens;
  }
  const int64_t most = most_requests(contract);
  const bool limited = contract.form == PackingForm::None || contract.max_valid_num > 0;
  if (limited) out.segments = out.batches * most;
  const int64_t delimiters = contract.form == PackingForm::B ? contract.zero_delimiters : 0;
  // A row of r requests holds r - 1 delimiters: as if each request and the row were longer by one.
  const int64_t needed = out.tokens + out.requests * delimiters;
  const int64_t held = contract.rows * (contract.row_length + delimiters);
  out.least_batches = std::max(ceil_div(needed, held), ceil_div(out.requests, most));
  return out;
}

}  // namespace tessera
