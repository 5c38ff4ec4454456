// SPDX-License-Identifier: Apache-2.0
// The kinds of change that would make a Program fit that does not, as the error of a compile names
// them.
#pragma once

#include <string>
#include <vector>

#include "cost/cost.h"

namespace tessera {

// By what takes the room, the most promising first: "a smaller batch or shorter rows
// (--input_shape)", …. `report` is the Program's.
std::vector<std::string> what_would_help(const Program& program, const MemoryReport& report);

}  // namespace tessera
