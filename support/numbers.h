// SPDX-License-Identifier: Apache-2.0
// Numbers read from text, strictly.
#pragma once

#include <charconv>
#include <string_view>
#include <system_error>

namespace tessera {

// Whether all of the text is one number of this type, in any locale.
template <class Number>
bool parse_number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace tessera
