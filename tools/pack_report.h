// SPDX-License-Identifier: Apache-2.0
// The figures of a packing, for people and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "packing/occupancy.h"
#include "packing/plan.h"
#include "tools/pack_flags.h"

namespace tessera::tools {

// One way to pack the requests.
struct Packing {
  std::string name;  // of the policy, or "padded"
  PackRule rule;
  std::vector<PackedBatch> batches;
  Occupancy occupancy;
  double seconds = 0;  // of the host

  double microseconds_per_request() const;
};

// What is packed and into what: the first lines of every report.
void print_source(const std::string& what, const LengthHistogram& histogram,
                  const PackingContract& contract);
nlohmann::ordered_json source_json(const std::string& what, const PackingContract& contract);

void print_packing(const Packing& packing);
void print_table(std::span<const Packing> packings);
nlohmann::ordered_json to_json(const Packing& packing);

// Rows of a histogram as a whole.
void print_rows(const RowPlan& plan, const LengthHistogram& histogram, double seconds);
nlohmann::ordered_json to_json(const RowPlan& plan, const LengthHistogram& histogram,
                               double seconds);

}  // namespace tessera::tools
