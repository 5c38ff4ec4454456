// SPDX-License-Identifier: Apache-2.0
// The bytes that a superstep's exchange sends from IPU to IPU. IPUs stand in a ring. A part of a
// box that other IPUs want takes the shorter way round to each, and travels a link once, however
// many tiles and IPUs behind it want it: the neighbour hands it on, as in a ring's all-gather.
// Formulas and sources: docs/ipus.md.
#pragma once

#include <cstdint>
#include <vector>

#include "program/isolation.h"
#include "program/program.h"
#include "program/target.h"
#include "support/expected.h"

namespace tessera {

struct LinkLoad {
  int64_t sent_bytes = 0;  // that leave the IPU which holds them, once for each that wants them
  std::vector<int64_t> forward;   // by IPU: bytes from it to the next in the ring
  std::vector<int64_t> backward;  // by IPU: bytes from it to the one before
  int64_t hops = 0;               // of the longest way that a part takes
};

// Nothing where the target is one IPU.
LinkLoad link_load(const Program& program, const Superstep& step);
Expected<LinkLoad> link_load(const Program& program, const Superstep& step, WorkLimit& work);

// Bytes a second from an IPU to one of its neighbours.
double neighbour_bytes_per_second(const Target& target);
// The busiest way between neighbours, and the way that the last byte takes.
Cycles link_cycles(const LinkLoad& load, const Target& target);
// The IPU sends, hands on or receives.
bool uses_links(const LinkLoad& load, int64_t ipu);
// The cycles that a sync of all IPUs takes beyond those of one.
Cycles ipu_sync_cycles(const Target& target);

}  // namespace tessera
