// SPDX-License-Identifier: Apache-2.0
// Programs as text, for people, goldens and tests: what print writes, parse reads.
// The grammar is in docs/program.md.
#pragma once

#include <string>
#include <string_view>

#include "program/program.h"
#include "support/expected.h"

namespace tessera {

// The ids in the program must be in range.
std::string print(const Program& program);
// Not verified. Errors: "line 3: 'x' stands where a name must".
Expected<Program> parse_program(std::string_view text);

}  // namespace tessera
