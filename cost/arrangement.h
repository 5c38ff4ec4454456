// SPDX-License-Identifier: Apache-2.0
// In which order a tensor lies within its tiles, and what it costs to change that. The matrix unit
// reads and writes columns in groups of sixteen; a normalisation reads whole rows; the values of
// attention are loaded as weights, transposed. Where a vertex wants another arrangement than the
// one that a tensor was written in, Poplar introduces a copy before the exchange, over all tiles
// alike. Regions and mappings do not show it: it is implied by the codelets that write and read.
#pragma once

#include <vector>

#include "program/program.h"
#include "program/target.h"

namespace tessera {

enum class Arrangement : uint8_t {
  Any,     // as a constant: laid out at compile time as its reader wishes
  Rows,    // row-major
  Groups,  // [columns / 16][rows][16]
};

// By variable of the program: how its writer leaves it.
std::vector<Arrangement> written_arrangements(const Program& program);

// The cycles of the copies before this superstep, one after the other: each is a sync and a launch,
// and on every tile of the IPUs that compute the rearrangement (charges.h) and the exchange of its
// even share of the bytes.
Cycles arrange_cycles(const Program& program, const Superstep& step,
                      const std::vector<Arrangement>& written);

// Bytes of each of those tiles that hold the copies, until the vertices have received them.
int64_t arranged_bytes(const Program& program, const Superstep& step,
                       const std::vector<Arrangement>& written);

}  // namespace tessera
