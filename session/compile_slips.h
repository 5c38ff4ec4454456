// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "session/advise.h"

namespace tessera {

// The compiles of one model that a change of habit would have spared, by rule.
std::vector<CompileSlip> find_slips(const std::string& model,
                                    const std::vector<const RecompileEvent*>& events);

// The flags that an event's compile was made with, where they are not the command line's own.
std::string flags_of(const RecompileEvent& event);

}  // namespace tessera
