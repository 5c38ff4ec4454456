// SPDX-License-Identifier: Apache-2.0
// Events and advice on the terminal.
#pragma once

#include <vector>

#include "session/advise.h"
#include "session/events.h"

namespace tessera::tools {

void print_event(const RecompileEvent& event, bool json);
// The differences that make `after` another executable than `before`.
void print_difference(const RecompileEvent& before, const RecompileEvent& after, bool json);
void print_advice(const std::vector<Advice>& all, bool json);

}  // namespace tessera::tools
