// SPDX-License-Identifier: Apache-2.0
// Latencies as the JSON of reports and benches.
#pragma once

#include <nlohmann/json.hpp>

#include "serving/latencies.h"

namespace tessera {

// {"mean": …, "p50": …, …} in seconds.
nlohmann::ordered_json to_json(const Latencies& latencies);

}  // namespace tessera
