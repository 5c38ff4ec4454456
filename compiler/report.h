// SPDX-License-Identifier: Apache-2.0
// The compile report: what the executable costs, superstep by superstep and codelet by codelet, as
// JSON for people's tools. It stands in the executable, so it holds nothing that differs from one
// compile to the next.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cost/cost.h"
#include "passes/pipeline.h"
#include "program/popef.h"

namespace tessera {

std::string report_json(const Executable& executable, const std::vector<std::string>& passes,
                        std::span<const KeptInFp32> kept, const ProgramCost& cost,
                        const MemoryReport& memory);

}  // namespace tessera
