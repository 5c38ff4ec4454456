// SPDX-License-Identifier: Apache-2.0
// The parts of a report that speak of compiles: the events of a log, and the advice on them.
#pragma once

#include <nlohmann/json.hpp>

#include "report/report.h"

namespace tessera {

nlohmann::ordered_json log_json(const ReportedLog& log);

}  // namespace tessera
