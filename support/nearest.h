// SPDX-License-Identifier: Apache-2.0
// The known name that is nearest to one that is not known.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tessera {

// How many letters must be changed, added or dropped to turn one word into the other.
size_t edit_distance(std::string_view a, std::string_view b);

// The known name with the least distance, the first of several. There is at least one.
std::string nearest_name(std::string_view name, std::span<const std::string> known);

}  // namespace tessera
