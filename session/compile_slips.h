// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "session/advise.h"

namespace tessera {

// The compiles of one model that a change of habit would have spared, by rule.
std::vector<CompileSlip> find_slips(const std::string& model,
                                    const std::vector<const RecompileEvent*>& events);

}  // namespace tessera
