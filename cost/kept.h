// SPDX-License-Identifier: Apache-2.0
// The operands that a turn of a matmul finds where the turn before has received them.
//
// A matmul whose rows are done in turn reads the same weights in each turn, at the same place of
// every tile. Poplar's planner receives such an operand before its loop; here the first turn
// receives it, and its buffer stays until the last.
#pragma once

#include "program/program.h"

namespace tessera {

// The turn of the same matmul before this superstep; null if there is none, or if the superstep is
// not one of the Program's own.
const Superstep* turn_before(const Program& program, const Superstep& step);
// Whether that turn received what this transfer brings.
bool is_kept(const Superstep* before, const Transfer& transfer);

}  // namespace tessera
