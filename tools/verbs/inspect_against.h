// SPDX-License-Identifier: Apache-2.0
// Two executables, or two logs of events, side by side: tessera inspect A --against B.
#pragma once

#include "report/report.h"

namespace tessera::tools {

// The differences: slower, larger, elsewhere; where `as_json`, as a report's `differences`.
void print_against(const ReportedExecutable& before, const ReportedExecutable& after, bool as_json);
// The same of logs: compiles by model and shapes.
void print_against(const ReportedLog& before, const ReportedLog& after, bool as_json);

}  // namespace tessera::tools
