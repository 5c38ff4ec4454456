// SPDX-License-Identifier: Apache-2.0
// The bytes that a superstep's exchange moves, by tile, from the mappings and the transfers alone.
//
// A distinct box of a transfer is collected from every tile that has a part of it: each sends its
// part once, however many tiles receive it, and each receiver takes all parts but its own. A part
// of one tile is one message, of as many fragments as it has runs in that tile's memory
// (row-major). A part of very many runs is put together by its sender first, and travels as one
// fragment: each would take instructions at both ends. Neighbours on one exchange bus that receive
// the same take it at the sum of their rates (poplin ExchangeEstimator.hpp).
#pragma once

#include <string>
#include <vector>

#include "program/isolation.h"
#include "program/program.h"
#include "program/target.h"

namespace tessera {

struct TileExchange {
  int64_t received_bytes = 0, received_messages = 0, received_fragments = 0;
  int64_t shared_bytes = 0;  // of those received: by the neighbours on its bus too
  int64_t sent_bytes = 0, sent_messages = 0, sent_fragments = 0;
  // How many of the bytes sent are first put together on this tile, in runs of at least this
  // size.
  int64_t arranged_bytes = 0, arranged_run = 0;
  int64_t buffer_bytes = 0;  // for the boxes that are received, with the parts that were there
};

// By tile, over all IPUs. The cycles of links are in links.h. `step` is one of the Program's own:
// what a turn of a matmul finds from the turn before (cost/kept.h) is not received again.
std::vector<TileExchange> exchange_loads(const Program& program, const Superstep& step);
// The same of a Program that is not verified yet, so that comparing its regions may take for ever.
Expected<std::vector<TileExchange>> exchange_loads(const Program& program, const Superstep& step,
                                                   WorkLimit& work);

// Sending and receiving go on at once: the longer of the two.
Cycles exchange_cycles(const TileExchange& load, const Target& target);

// Equal for supersteps that differ only in which variables they name, where those have the same
// dtypes and mappings: the layers of a model. Such supersteps have the same exchange_loads, cost
// the same, and share their code on a tile.
std::string exchange_key(const Program& program, const Superstep& step);
std::string compute_key(const Program& program, const ComputeSet& set);
// The same, but for the slice that a region is at every grid position: the turns of a loop, whose
// body has one code.
std::string exchange_code_key(const Program& program, const Superstep& step);
std::string compute_code_key(const Program& program, const ComputeSet& set);

}  // namespace tessera
