// SPDX-License-Identifier: Apache-2.0
// What the direct machine looks at beside a step's kernel: indices before it, hidden keys in what
// it reads, and what casts made of floats behind it.
#pragma once

#include <span>

#include "executor/direct_steps.h"
#include "executor/machine.h"
#include "support/expected.h"

namespace tessera {

// Notes what there is to look at; `base` has the variables' places. The step has its vertices
// still.
void note_rules(const Program& program, std::span<std::byte* const> base, DirectStep& step);
Status check_indices(const Program& program, const DirectStep& step, const UsedCells& used);
Status check_hidden(const Program& program, const DirectStep& step, const Calls& calls,
                    const UsedCells& used);
Status check_casts(const Program& program, const DirectStep& step);

}  // namespace tessera
