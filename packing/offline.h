// SPDX-License-Identifier: Apache-2.0
// Requests that are all known beforehand, into batches. All functions are pure and thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "packing/histogram.h"
#include "packing/pack.h"
#include "support/expected.h"

namespace tessera {

// Batches in the order of sending. Policies that pack a stream see the requests in their order.
// Spfhp and Lpfhp fill rows (pack_rows), give each place of a length to the earliest request that
// has it, and send rows in the order of their earliest request; where the request limit of a batch
// would be passed, a later row of fewer requests goes first. In form A rows stand end to end, so
// that what a row had left over is not a gap.
// Errors: the rule, the contract, a request by number that is empty or too long.
Expected<std::vector<PackedBatch>> pack_offline(const PackingContract& contract,
                                                const PackRule& rule,
                                                std::span<const int64_t> lengths);

// The rows that Spfhp or Lpfhp make of requests of these lengths, by the contract's row length,
// delimiters and request limit and the rule's depth. No length exceeds longest_request.
std::vector<BinGroup> pack_rows(const PackingContract& contract, const PackRule& rule,
                                const LengthHistogram& histogram);

}  // namespace tessera
