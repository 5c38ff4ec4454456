// SPDX-License-Identifier: Apache-2.0
// Policies beside each other on the same lengths: what each uses of the rows, and how long it
// thinks. What `tessera pack` tells, and its JSON (docs/schemas/pack.json).
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "packing/occupancy.h"
#include "packing/pack.h"
#include "support/expected.h"

namespace tessera {

// One way to pack the requests.
struct MeasuredPacking {
  std::string name;  // of the policy, or "padded"
  PackRule rule;
  std::vector<PackedBatch> batches;
  Occupancy occupancy;
  double seconds = 0;  // of the host, the best of three

  double microseconds_per_request() const;
};

// Errors as pack_offline's.
Expected<MeasuredPacking> measure_packing(const PackingContract& contract, const PackRule& rule,
                                          std::span<const int64_t> lengths);
// One request a row, named "padded", and all policies with the rule's numbers.
Expected<std::vector<MeasuredPacking>> compare_policies(const PackingContract& contract,
                                                        PackRule rule,
                                                        std::span<const int64_t> lengths);

// "form B, 16 rows of 256 tokens, any number of requests"
std::string batch_words(const PackingContract& contract);

// The head of the document: where lengths come from, and the batch. Policies are "policies" in it.
nlohmann::ordered_json source_json(const std::string& what, const PackingContract& contract);
nlohmann::ordered_json to_json(const MeasuredPacking& packing);
nlohmann::ordered_json comparison_json(const std::string& what, const PackingContract& contract,
                                       std::span<const MeasuredPacking> packings);

}  // namespace tessera
