// SPDX-License-Identifier: Apache-2.0
// The modelled machine in a trace: what a batch takes by the formulas of docs/model.md, from time 0
// at the target's clock. No host's clock is in it.
#pragma once

#include "cost/profile.h"
#include "trace/track_events.h"

namespace tessera {

// A process "modelled IPU (c600)" with rows for operations and their supersteps, sync,
// rearrangement, exchange, compute and the host's part, and counters of live memory. The cycles of
// all slices of a row sum up to ProgramCost's. Each of several IPUs has a process of its own for
// the rows of what it does, with a counter of its fullest tile; the stages of a pipeline begin a
// tick after each other, and a row shows which batch each works on.
void add_modelled(TrackEvents& events, const Profiled& profiled);

}  // namespace tessera
