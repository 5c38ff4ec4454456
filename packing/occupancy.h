// SPDX-License-Identifier: Apache-2.0
// How well batches are used: tokens, requests, and what no packer could do better than.
#pragma once

#include <cstdint>
#include <span>

#include "packing/pack.h"

namespace tessera {

struct Occupancy {
  int64_t batches = 0;
  int64_t requests = 0;
  int64_t tokens = 0;      // of the requests
  int64_t row_tokens = 0;  // of all rows of all batches
  int64_t segments = 0;    // requests that all batches may hold; 0 where only tokens limit them
  // No packer needs fewer batches: by tokens with the delimiters that rows cannot do without, and
  // by requests.
  int64_t least_batches = 0;

  double token_fill() const;    // tokens / row_tokens; 0 for no batches
  double segment_fill() const;  // requests / segments; 0 where there is no limit
};

Occupancy occupancy(const PackingContract& contract, std::span<const PackedBatch> batches);

// Rows that `tokens` need at least: ceil(tokens / row_length).
int64_t least_rows(int64_t tokens, int64_t row_length);

}  // namespace tessera
