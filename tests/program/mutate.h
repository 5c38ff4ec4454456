// SPDX-License-Identifier: Apache-2.0
// Programs changed as an attacker would change them: a number, or the structure. Many mutants are
// refused; those that a verifier lets pass must be safe, and must mean the same however they are
// carried out.
#pragma once

#include "program/program.h"
#include "tests/fuzz/random.h"

namespace tessera::fuzz {

// One change. Some keep what belongs together (an extent everywhere it stands, a new block size on
// all operands), so that the mutant often verifies; others leave a contradiction.
void mutate_program(Program& program, Random& random);

// Whether all ids are in range, so that print may be called.
bool has_sound_ids(const Program& program);

}  // namespace tessera::fuzz
