// SPDX-License-Identifier: Apache-2.0
// The figures of a packing, for people and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "packing/comparison.h"
#include "packing/plan.h"
#include "tools/verbs/pack_flags.h"

namespace tessera::tools {

// The requests and the batches: the first lines of every report.
void print_source(const std::string& what, const LengthHistogram& histogram,
                  const PackingContract& contract);

void print_packing(const MeasuredPacking& packing);
void print_table(std::span<const MeasuredPacking> packings);

// Rows of a histogram as a whole.
void print_rows(const RowPlan& plan, const LengthHistogram& histogram, double seconds);
nlohmann::ordered_json to_json(const RowPlan& plan, const LengthHistogram& histogram,
                               double seconds);

}  // namespace tessera::tools
