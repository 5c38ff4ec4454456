// SPDX-License-Identifier: Apache-2.0
// The proof that a superstep's vertices stay on their tiles. All that a vertex reads must lie in
// the block that is mapped to its tile, or in what this superstep's transfers deliver there, or in
// both together; what it writes, in its tile's block. As a mapping gives an element to one tile and
// a tile runs at most one vertex, no two vertices can write the same element; and if their writes
// add up to the variable's size, they wrote all of it.
//
// Part of verify_program, which has checked every index, view and bound before.
#pragma once

#include "program/program.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

// The work and the memory of comparing boxes, bounded so that no file keeps its reader busy for
// ever, nor fills its memory.
class WorkLimit {
 public:
  WorkLimit(const Limits& limits, const Deadline& deadline)
      : limits_(limits), deadline_(deadline), steps_(limits, &Limits::comparisons) {}
  Status spend(int64_t steps);
  // Before `count` things are held at once that take `bytes` each.
  Status hold(int64_t count, int64_t bytes) const;

 private:
  const Limits& limits_;
  const Deadline& deadline_;
  Budget steps_;
  int64_t next_look_ = 0;  // the clock is read once this many steps are spent
};

// Errors begin with the operand, not with the superstep.
Status check_isolation(const Program& program, const Superstep& step, WorkLimit& work);

}  // namespace tessera
