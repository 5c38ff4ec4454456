// SPDX-License-Identifier: Apache-2.0
// Figures as a table for spreadsheets, from the objects that --json prints.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "support/expected.h"

namespace tessera::tools {

// A row for each object. A column for each value in any of them, in the order in which they first
// come, "batch_seconds.p50" where objects nest; a cell is empty where a row has no such value.
// Quoted as RFC 4180 says; names are visible text (support/plain_text.h).
std::string csv_of(std::span<const nlohmann::ordered_json> rows);
Status write_csv(const std::string& path, std::span<const nlohmann::ordered_json> rows);

}  // namespace tessera::tools
