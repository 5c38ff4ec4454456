// SPDX-License-Identifier: Apache-2.0
// How each matmul was cut over the tiles, beside the other cuts that the planner knows and what
// each would have cost. An executable does not hold this; it is planned again from the Program.
#pragma once

#include <nlohmann/json.hpp>

#include "program/popef.h"

namespace tessera {

// One object for each distinct plan; `supersteps` are told theirs as "plan".
nlohmann::ordered_json plans_json(const Executable& executable, nlohmann::ordered_json& supersteps);

}  // namespace tessera
