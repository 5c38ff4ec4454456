// SPDX-License-Identifier: Apache-2.0
// Two executables side by side: tessera inspect A --against B.
#pragma once

#include "report/report.h"

namespace tessera::tools {

// The differences: slower, larger, elsewhere; where `as_json`, as a report's `differences`.
void print_against(const ReportedExecutable& before, const ReportedExecutable& after, bool as_json);

}  // namespace tessera::tools
