// SPDX-License-Identifier: Apache-2.0
// An executable carried out in every way there is: direct with one thread and with three, isolated,
// and isolated with its tiles in reverse. All must agree, to the bit, and an answer must not depend
// on the batch before it. Where the executable has rows, only some of them hold requests.
#pragma once

#include <memory>

#include "executor/jit.h"
#include "program/popef.h"

namespace tessera::fuzz {

// Whether its sizes allow some runs within a second.
bool is_small(const Program& program);

// Random bytes for every constant, by index.
std::vector<Blob> random_constants(const Program& program, uint64_t seed);

// The executable is verified. A difference is a finding; being refused at load is not.
void compare_machines(const std::shared_ptr<const Executable>& executable, uint64_t seed);

// For machines that come and go, one at a time: what one compiled the next finds here.
std::shared_ptr<Jit> shared_jit();

}  // namespace tessera::fuzz
