// SPDX-License-Identifier: Apache-2.0
// Targets as the words of --target spell them.
#pragma once

#include <string>
#include <vector>

#include "program/target.h"
#include "support/expected.h"

namespace tessera {

// "c600", or a preset and numbers to change in it: "c600,tiles=736,clock_hz=1e9", in one word or
// several. Usage errors begin with "target WORD: ".
Expected<Target> parse_target(const std::vector<std::string>& words);

}  // namespace tessera
