// SPDX-License-Identifier: Apache-2.0
// A packing that is kept: which requests share which batch, and where each stands, as a JSON file.
// Format: docs/packing.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "packing/histogram.h"
#include "packing/pack.h"
#include "support/expected.h"

namespace tessera {

inline constexpr std::string_view kPlanSchema = "tessera-pack-plan/1";

// A plan for requests 0 .. requests - 1, each of which stands in one batch.
struct PackPlan {
  PackingContract contract;  // form, sizes, limits and delimiters; no names
  PackRule rule;
  int64_t requests = 0;
  std::vector<PackedBatch> batches;  // in the order of sending
};

// The packing of a histogram, which has no single requests: rows by what they hold.
struct RowPlan {
  PackingContract contract;
  PackRule rule;
  std::vector<BinGroup> rows;
};

// Where each request of a plan stands: its batch, and its place among that batch's placements.
struct PlanPlace {
  size_t batch = 0;
  size_t ordinal = 0;
};
std::vector<PlanPlace> inverse_of(const PackPlan& plan);

// Deterministic and atomic.
Status write_plan(const std::string& path, const PackPlan& plan);
Status write_plan(const std::string& path, const RowPlan& plan);

// A plan of requests. Reading proves what check_plan does; what is wrong is a BadFile error.
Expected<PackPlan> read_plan(const std::string& path);

// Every request is placed once, inside the rows, in form B inside one row with the delimiters kept,
// in no other's cells; no batch passes its request limit. In form A requests stand end to end in
// the order of placing, as their executables unpack them.
Status check_plan(const PackPlan& plan);

}  // namespace tessera
