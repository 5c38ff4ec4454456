// SPDX-License-Identifier: Apache-2.0
// The parts of a report that speak of one executable: what `tessera inspect --json` says, and of
// its variables, supersteps and operations what lies and happens on which tile.
#pragma once

#include <nlohmann/json.hpp>

#include "cost/profile.h"
#include "report/pools.h"
#include "report/report.h"

namespace tessera {

nlohmann::ordered_json executable_json(const ReportedExecutable& reported);

// The parts of it that compare_executables reads.
nlohmann::ordered_json comparable_json(const ReportedExecutable& reported, const Profiled& is);

// The parts of the machine's JSON.
nlohmann::ordered_json variables_json(const Profiled& is, Pools& pools);
nlohmann::ordered_json supersteps_json(const Profiled& is, Pools& pools);
nlohmann::ordered_json tiles_json(const Profiled& is, Pools& pools);
nlohmann::ordered_json operations_json(const Profiled& is);
// "deal" of what is dealt out to several IPUs.
void add_deal(nlohmann::ordered_json& json, const Deal& deal);

}  // namespace tessera
