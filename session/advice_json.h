// SPDX-License-Identifier: Apache-2.0
// Advice as `tessera recompiles advise --json` prints it, and differences.
#pragma once

#include <nlohmann/json.hpp>

#include "session/advise.h"
#include "session/events.h"

namespace tessera {

nlohmann::ordered_json advice_json(const Advice& advice);
// As `tessera recompiles diff --json` prints it: why `after` is another executable than `before`.
nlohmann::ordered_json difference_json(const RecompileEvent& before, const RecompileEvent& after);

}  // namespace tessera
