// SPDX-License-Identifier: Apache-2.0
// The rules of a Program before anything runs it, whoever wrote it: a file is hostile until this
// has passed. Every index in range, every view the size of its variable, every box inside it, each
// operand on its tile (mapped or delivered), each write on its own tile and no element written
// twice or left unwritten, nothing read that was not written, and what each codelet asks of its
// operands' shapes (the `check` that is passed in, because program/ does not know the codelets).
#pragma once

#include <functional>

#include "program/bounds.h"
#include "program/program.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

// Asked once per compute set. (codelets/codelet.h: check_compute_set)
using CheckComputeSet = std::function<Status(const Program&, const ComputeSet&)>;

// Errors: "superstep 'NAME': what is, what must be", kind BadFile; Refused where verifying takes
// more time or memory than the limits allow, or the Program has more vertices or blocks. A Program
// that passes may be priced (cost/cost.h) within the same memory.
Status verify_program(const Program& program, const CheckComputeSet& check,
                      const Limits& limits = {});
// As part of work whose time has begun already.
Status verify_program(const Program& program, const CheckComputeSet& check, const Limits& limits,
                      const Deadline& deadline);

}  // namespace tessera
