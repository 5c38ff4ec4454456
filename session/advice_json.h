// SPDX-License-Identifier: Apache-2.0
// Advice as `tessera recompiles advise --json` prints it.
#pragma once

#include <nlohmann/json.hpp>

#include "session/advise.h"

namespace tessera {

nlohmann::ordered_json advice_json(const Advice& advice);

}  // namespace tessera
