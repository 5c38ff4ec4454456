// SPDX-License-Identifier: Apache-2.0
// Time and memory of a Program on its target, from the Program alone: the planner, the machine and
// the reports all ask here, so that they cannot disagree. Formulas and sources: docs/model.md.
// The Program must be verified, codelets included, but where a WorkLimit is given.
#pragma once

#include <string>
#include <vector>

#include "program/program.h"
#include "program/target.h"
#include "support/expected.h"

namespace tessera {

class WorkLimit;  // program/isolation.h: what comparing the boxes of a stranger's Program may take

struct SuperstepCost {
  // Each the maximum over tiles; a superstep takes their sum. Sync includes the set-up; rearrange
  // is what copies into the arrangement that the vertices read take before (arrangement.h), and
  // exchange what links take (links.h).
  Cycles rearrange, exchange, compute, sync;
  Cycles links;                   // of the exchange: from IPU to IPU
  int64_t link_bytes = 0;         // that leave their IPU, once for each that wants them
  int64_t exchange_bytes = 0;     // received, all tiles
  int64_t max_receive_bytes = 0;  // by the busiest tile
  int64_t messages = 0;           // messages from another tile, all tiles
  int64_t active_tiles = 0;
  double balance = 0;  // mean over max of the active tiles' compute cycles
};
SuperstepCost superstep_cost(const Program& program, const Superstep& step);

// The work of each tile in a superstep: rearrange is on the IPUs that compute, and the exchange has
// what links take on the IPUs that use them. On one IPU the largest of each part is the superstep's
// own; on several it may be less, where the superstep adds the slowest tile of one IPU to the
// copies or the links of another.
struct TileCycles {
  Cycles rearrange, exchange, compute;
};
std::vector<TileCycles> cycles_by_tile(const Program& program, const Superstep& step);

struct ProgramCost {
  std::vector<SuperstepCost> steps;
  Cycles compute, rearrange, exchange, sync, total;  // per batch
  Cycles links;                                      // of the exchange
  double host_seconds = 0;                           // modelled host I/O that nothing overlaps
  double seconds_per_batch = 0;                      // of many, one behind the other
  double latency_seconds = 0;  // from the start of a batch to its end; without a pipeline the same
};
ProgramCost program_cost(const Program& program);
Expected<ProgramCost> program_cost(const Program& program, WorkLimit& work);

struct MemoryHolder {
  std::string
      what;  // "variable bert/embeddings/word", "codelet matmul code", "receive buffers of S"
  int64_t bytes = 0;
};
// Bytes of one tile at one superstep, by what they are for.
struct MemoryUse {
  // Always live.
  int64_t constants = 0;      // weights and other constants
  int64_t code = 0;           // of codelets, each once
  int64_t vertex_state = 0;   // pointers and sizes of vertices
  int64_t exchange_code = 0;  // instructions of exchanges
  int64_t control_code = 0;   // of the program that calls supersteps
  int64_t stack = 0, reserved = 0;
  // Not always live.
  int64_t variables = 0;        // inputs, outputs and activations
  int64_t receive_buffers = 0;  // what an exchange delivers
  int64_t temporaries = 0;      // what vertices need beside
  int64_t gaps = 0;             // between those, and what is lost to their alignment

  int64_t always_live() const {
    return constants + code + vertex_state + exchange_code + control_code + stack + reserved;
  }
  int64_t not_always_live() const { return variables + receive_buffers + temporaries; }
  int64_t total() const { return always_live() + not_always_live() + gaps; }
};
// Every field by name: call("constants", use.constants), ….
template <class T, class Call>
void for_each_use(T& use, Call&& call) {
  call("constants", use.constants);
  call("code", use.code);
  call("vertex_state", use.vertex_state);
  call("exchange_code", use.exchange_code);
  call("control_code", use.control_code);
  call("stack", use.stack);
  call("reserved", use.reserved);
  call("variables", use.variables);
  call("receive_buffers", use.receive_buffers);
  call("temporaries", use.temporaries);
  call("gaps", use.gaps);
}

struct MemoryReport {
  std::vector<int64_t> peak_by_tile;  // bytes, always-live included
  std::vector<int64_t> always_live_by_tile;
  TileId fullest;
  std::string peak_superstep;              // where the fullest tile peaks
  std::vector<MemoryHolder> largest;       // five on the fullest tile at its peak, largest first
  MemoryUse at_peak;                       // of the fullest tile
  std::vector<MemoryHolder> code;          // of the fullest tile, by codelet, largest first
  std::vector<int64_t> live_by_superstep;  // bytes not always live, all tiles
  std::vector<MemoryUse> fullest_by_superstep;  // of the fullest tile
  bool fits = true;
};
MemoryReport program_memory(const Program& program);
Expected<MemoryReport> program_memory(const Program& program, WorkLimit& work);

// The error of a report that does not fit: Poplar's sentence ("Out of memory on tile N: X bytes
// used but tiles only have Y bytes of memory"), what takes the room there and what would help. Kind
// OutOfMemory.
Error out_of_memory_error(const Program& program, const MemoryReport& report);

}  // namespace tessera
