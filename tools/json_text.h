// SPDX-License-Identifier: Apache-2.0
// JSON as the verbs print it. Paths may hold bytes that are not UTF-8: U+FFFD stands for them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace tessera::tools {

inline std::string json_text(const nlohmann::ordered_json& json, int indent = 2) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace tessera::tools
