// SPDX-License-Identifier: Apache-2.0
// Checks of the direct machine beside a step's kernel: of indices before it, of hidden keys in what
// it reads, and of what casts made of floats behind it.
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
