// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "session/advise.h"

namespace tessera {

// Tokens that a log was asked for, and those that padding added.
struct LogTokens {
  int64_t useful = 0, added = 0;
  double useful_share() const {
    const int64_t all = useful + added;
    return all == 0 ? 1 : static_cast<double>(useful) / static_cast<double>(all);
  }
};

// The compiles of one model that a change of habit would have spared, by rule.
std::vector<CompileSlip> find_slips(const std::string& model,
                                    const std::vector<const RecompileEvent*>& events,
                                    const LogTokens& tokens);

// The flags that an event's compile was made with, where they are not the command line's own.
std::string flags_of(const RecompileEvent& event);

}  // namespace tessera
