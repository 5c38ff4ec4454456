// SPDX-License-Identifier: Apache-2.0
// Documents that other verbs print and that a report shows as they are: results of `tessera bench`
// and `bench --online`, the policies of `tessera pack --compare`, and the shapes of `tessera pack
// tune`. docs/schemas describes each.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "support/expected.h"

namespace tessera {

enum class FiguresKind : uint8_t { Bench, Policies, Shapes };

// The kind of a document by its schema; nothing where it is not one of these.
std::optional<FiguresKind> figures_kind(const nlohmann::ordered_json& document);

// Whether it has what the views read of it. `file` is for messages. Error: BadFile, which names the
// first member that is not as its schema says.
Status check_figures(const std::string& file, const nlohmann::ordered_json& document);

}  // namespace tessera
