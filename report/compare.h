// SPDX-License-Identifier: Apache-2.0
// Two executables, or two logs, side by side: what became slower, larger, or lies elsewhere.
#pragma once

#include <nlohmann/json.hpp>

namespace tessera {

// Operations are matched by their ONNX nodes. Both are as executable_json and log_json make them;
// only those parts of an executable are read that comparable_json has.
nlohmann::ordered_json compare_executables(const nlohmann::ordered_json& before,
                                           const nlohmann::ordered_json& after);
nlohmann::ordered_json compare_logs(const nlohmann::ordered_json& before,
                                    const nlohmann::ordered_json& after);

}  // namespace tessera
