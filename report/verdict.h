// SPDX-License-Identifier: Apache-2.0
// The first lines of a report: does it fit, what does it take, and what would save most.
#pragma once

#include <nlohmann/json.hpp>

#include "report/report.h"

namespace tessera {

// `document` has the parts that the verdict is about already.
nlohmann::ordered_json verdict_json(const ReportInputs& inputs,
                                    const nlohmann::ordered_json& document);

// The command that compiles the executable again.
std::string compile_command(const Executable& executable);

}  // namespace tessera
