// SPDX-License-Identifier: Apache-2.0
// Programs as text, for people, goldens and tests: what print writes, parse reads.
// The grammar is in docs/program.md.
#pragma once

#include <string>
#include <string_view>

#include "program/program.h"
#include "support/expected.h"

namespace tessera {

std::string print(const Program& program);
Expected<Program> parse_program(std::string_view text);  // not verified

}  // namespace tessera
