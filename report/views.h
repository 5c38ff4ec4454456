// SPDX-License-Identifier: Apache-2.0
// The views of a report as HTML: what a reader without JavaScript sees, and the places that the
// page's scripts draw into. A view without data is "".
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace tessera {

std::string verdict_view(const nlohmann::ordered_json& document);
std::string tiles_view(const nlohmann::ordered_json& document);
std::string memory_view(const nlohmann::ordered_json& document);
std::string supersteps_view(const nlohmann::ordered_json& document);
std::string operations_view(const nlohmann::ordered_json& document);
std::string placement_view(const nlohmann::ordered_json& document);
std::string packing_view(const nlohmann::ordered_json& document);
// A part of packing_view: bench results, policies compared, shapes tried.
std::string figures_html(const nlohmann::ordered_json& document);
std::string recompiles_view(const nlohmann::ordered_json& document);
std::string differences_view(const nlohmann::ordered_json& document);
std::string provenance_view(const nlohmann::ordered_json& document);

}  // namespace tessera
