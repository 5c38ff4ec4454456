// SPDX-License-Identifier: Apache-2.0
// The two ways to have several requests in one row.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tessera {

enum class PackingForm : uint8_t {
  None,
  A,  // end to end through the rows; unpacked around attention and repacked after it
  B,  // whole in a row; attention sees a request's own tokens only
};

std::string_view to_string(PackingForm form);  // "none", "A" or "B"
std::string_view in_words(PackingForm form);   // "padded", "form A" or "form B"
// In either case of the letters; nothing for any other word.
std::optional<PackingForm> parse_packing_form(std::string_view word);

}  // namespace tessera
