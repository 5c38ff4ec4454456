// SPDX-License-Identifier: Apache-2.0
// Requests and whole batches as the arrays that run reads: made from the length of each request,
// with ids that are drawn.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "packing/pack.h"
#include "packing/workload.h"
#include "program/popef.h"
#include "support/expected.h"
#include "support/npy.h"

namespace tessera::tools {

// drawn_below (serving/bench.h) of the flag --vocab.
Expected<int32_t> vocabulary_of(int64_t asked, const Metadata* metadata,
                                const PackingContract& contract);

// The arrays of a request of these tokens, by input, in the types that the model declares.
// `contract` is that of request_contract(metadata).
std::map<std::string, NpyArray> request_arrays(const Metadata& metadata,
                                               const PackingContract& contract,
                                               const SyntheticRequest& request);

// Every input of the executable for one batch of these requests. Tokens that no request has are 0;
// inputs that no request brings are drawn by `seed`.
std::map<std::string, NpyArray> batch_arrays(const Metadata& metadata,
                                             const PackingContract& contract,
                                             const PackedBatch& batch, const Workload& requests,
                                             uint64_t seed);

}  // namespace tessera::tools
