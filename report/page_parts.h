// SPDX-License-Identifier: Apache-2.0
// The script and the style of the page, which the build joins from page/ and from D3.
#pragma once

#include <string_view>

namespace tessera {

std::string_view page_script();
std::string_view page_style();

}  // namespace tessera
