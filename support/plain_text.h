// SPDX-License-Identifier: Apache-2.0
// Names come from files and go to terminals, JSON and other files.
#pragma once

#include <string>
#include <string_view>

namespace tessera {

// Well-formed UTF-8 (shortest forms, no surrogates) without control characters.
bool is_plain_text(std::string_view text);
// A name of ours for something whose own is not plain text: other bytes than ASCII's as \xNN.
std::string plain_name(const std::string& name);

}  // namespace tessera
