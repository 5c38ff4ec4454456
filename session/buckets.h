// SPDX-License-Identifier: Apache-2.0
// A few lengths to pad to instead of many: those that waste the fewest tokens on a given set of
// lengths.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace tessera {

// Batches by length. Lengths and numbers are at least 1.
using BatchesByLength = std::map<int64_t, int64_t>;

// At most `most` lengths, ascending, the last of them the longest of all, such that the sum of the
// padded lengths over all batches is least; a batch is padded to the next length up. Exact, by
// dynamic programming in O(most · n²) for n lengths. Above 2048 lengths, neighbours are grouped and
// padded to the longest of their group first. Deterministic.
std::vector<int64_t> fit_buckets(const BatchesByLength& batches, int64_t most);

// The sum that fit_buckets minimizes: the tokens of one row of every batch, padded.
double padded_tokens(const BatchesByLength& batches, const std::vector<int64_t>& buckets);

}  // namespace tessera
