// SPDX-License-Identifier: Apache-2.0
// Text changed by its words: numbers, names and lines, without knowing the grammar.
#pragma once

#include <string>
#include <string_view>

#include "tests/fuzz/random.h"

namespace tessera::fuzz {

// One change. Names that take another's place are names of the same text.
std::string mutate_text(std::string_view text, Random& random);

// Text that breaks readers: controls, bidi overrides, broken UTF-8, quotes, very long words.
std::string odd_text(Random& random);

}  // namespace tessera::fuzz
