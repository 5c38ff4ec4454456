// SPDX-License-Identifier: Apache-2.0
// A few lengths to pad to, in place of many: those that waste the least on the lengths seen.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace tessera {

// Batches by length. Lengths and numbers are at least 1.
using BatchesByLength = std::map<int64_t, int64_t>;

// At most `most` lengths, ascending, the last being the longest seen, such that the sum over all
// batches of the next one up is least. Deterministic. Exact, by
// dynamic programming in O(most · n²) for n lengths; of more than 2048 neighbours are taken
// together, so that no length is farther than 1/2048 of the list from its own.
std::vector<int64_t> fit_buckets(const BatchesByLength& batches, int64_t most);

// The sum that fit_buckets makes least: tokens of one row of every batch, padded.
double padded_tokens(const BatchesByLength& batches, const std::vector<int64_t>& buckets);

}  // namespace tessera
