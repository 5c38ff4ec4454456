// SPDX-License-Identifier: Apache-2.0
// The parts of a report that speak of batches and what is in them: a recorded run, a plan, or,
// without one, an example for the executable's packing contract.
#pragma once

#include <nlohmann/json.hpp>

#include "report/report.h"

namespace tessera {

// Error: it cannot be replayed.
Expected<nlohmann::ordered_json> run_json(const ReportedRun& reported);

// The batches of a plan, with the places of their requests.
nlohmann::ordered_json plan_json(const ReportedPlan& reported);

// One batch of synthetic requests, as `tessera bench` draws them; null where a request fills all of
// the batch.
nlohmann::ordered_json example_json(const PackingContract& contract);

}  // namespace tessera
