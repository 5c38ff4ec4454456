// SPDX-License-Identifier: Apache-2.0
// A key that a mask hides by a number which leaves it some weight ends the run. Attention leaves
// hidden keys out, so its answer would not be the model's. The Program says which attentions have
// to be looked at (codelets/hidden_keys.h). This machine reads queries and keys before attention
// does: first how large their numbers are, which settles it for all scores of usual size.
#pragma once

#include <cstdint>
#include <span>

#include "codelets/abi.h"
#include "codelets/hidden_keys.h"
#include "executor/machine.h"
#include "program/program.h"
#include "support/expected.h"

namespace tessera {

// The error of the first hidden key that has weight, by its node. `operands` are those of vertices
// of the step, `each` of every one. A key in a cell that is not used does not count, nor does a
// query there. A score that is NaN or infinite has no weight: attention leaves it out too. But in
// f16 it may be one that f16 does not hold, which no number above -1e9 is sure to hide.
Status check_hidden_keys(const Superstep& step, const HiddenRule& rule,
                         std::span<const VertexOperand> operands, int64_t each,
                         const UsedCells& used);

}  // namespace tessera
