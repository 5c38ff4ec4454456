// SPDX-License-Identifier: Apache-2.0
// Slips: habits that caused compiles, each by a rule of session/events.def.
#pragma once

#include <string>
#include <vector>

#include "session/advise.h"

namespace tessera {

// Tokens that the requests of a log had, and those that padding added.
struct LogTokens {
  int64_t useful = 0, added = 0;
  double useful_share() const {
    const int64_t all = useful + added;
    return all == 0 ? 1 : static_cast<double>(useful) / static_cast<double>(all);
  }
};

// The compiles of one model that a change of habit would have avoided, by rule.
std::vector<CompileSlip> find_slips(const std::string& model,
                                    const std::vector<const RecompileEvent*>& events,
                                    const LogTokens& tokens);

// The flags of the event's compile that differ from the command line's defaults.
std::string flags_of(const RecompileEvent& event);

}  // namespace tessera
