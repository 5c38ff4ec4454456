// SPDX-License-Identifier: Apache-2.0
// The share of each IPU of a Program, and how they work together, as text.
#pragma once

#include "cost/profile.h"

namespace tessera::tools {

// Nothing for one IPU.
void print_ipus(const Profiled& profiled);

}  // namespace tessera::tools
