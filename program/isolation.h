// SPDX-License-Identifier: Apache-2.0
// The proof that a superstep's vertices stay on their tiles. What a vertex reads must lie in the
// block that is mapped to its tile, or in what this superstep's transfers deliver there, or in both
// together; what it writes, in its tile's block. As a mapping gives an element to one tile and a
// tile runs at most one vertex, no two vertices can write the same element; and if their writes
// add up to the variable's size, they wrote all of it.
//
// Part of verify_program, which has checked every index, view and bound before.
#pragma once

#include "program/program.h"
#include "support/expected.h"

namespace tessera {

// Steps that may still be spent on comparing boxes, so that no file keeps its reader busy for ever.
class WorkLimit {
 public:
  Status spend(int64_t steps);

 private:
  int64_t left_ = int64_t{1} << 28;
};

// Errors begin with the operand, not with the superstep.
Status check_isolation(const Program& program, const Superstep& step, WorkLimit& work);

}  // namespace tessera
