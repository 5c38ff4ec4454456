// SPDX-License-Identifier: Apache-2.0
// The first lines of a report: does it fit, what does it take, and what would save most.
#pragma once

#include <nlohmann/json.hpp>

#include "report/report.h"

namespace tessera {

// `document` has the parts that the verdict is about already.
nlohmann::ordered_json verdict_json(const ReportInputs& inputs,
                                    const nlohmann::ordered_json& document);

// The command that compiles the executable again; its model is MODEL.onnx where no file is known.
std::string compile_command(const ReportedExecutable& reported);

// The variants that were compiled where it does not fit.
nlohmann::ordered_json variants_json(const ReportedExecutable& reported);

}  // namespace tessera
