// SPDX-License-Identifier: Apache-2.0
// JSON changed by its values and members, one document or one a line.
#pragma once

#include <string>
#include <string_view>

#include "tests/fuzz/random.h"

namespace tessera::fuzz {

// Text that is not JSON is changed as text.
std::string mutate_json(std::string_view text, Random& random);
// One of the lines, or their order and number.
std::string mutate_json_lines(std::string_view text, Random& random);

}  // namespace tessera::fuzz
