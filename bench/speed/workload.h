// SPDX-License-Identifier: Apache-2.0
// The chapter's 1,600 requests: lengths normal(128, 128), clipped to 1 .. 256. And sentences: as
// many tokens as the 1,742 of this project's pages have for MiniLM's tokenizer, with both special
// tokens (bench/sentence_lengths.csv; 32 in the mean, at most 237).
#pragma once

#include <vector>

#include "packing/pack.h"
#include "serving/request.h"
#include "support/expected.h"

namespace tessera::speed {

struct PackedWorkload {
  PackingContract contract;  // form B, 16x256
  std::vector<PackedBatch> batches;
};

Expected<std::vector<Request>> chapter_requests();
Expected<std::vector<Request>> sentence_requests();
std::vector<int64_t> lengths_of(const std::vector<Request>& requests);
// By the policy that needs the fewest batches.
Expected<std::vector<PackedBatch>> pack_best(const PackingContract& contract,
                                             const std::vector<int64_t>& lengths);
// All 1,600, by that.
Expected<PackedWorkload> pack_workload();

}  // namespace tessera::speed
