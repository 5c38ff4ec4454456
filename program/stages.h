// SPDX-License-Identifier: Apache-2.0
// The rules of a pipeline: stages 0, 1, …, each on one IPU, and none that waits for a later one.
// Part of verify_program, which has checked every index and grid before.
#pragma once

#include "program/program.h"
#include "support/expected.h"

namespace tessera {

Status check_stages(const Program& program);

}  // namespace tessera
