// SPDX-License-Identifier: Apache-2.0
// The machine's numbers. The planner that chooses and the machine that counts read this one struct.
// Sources of each value: docs/model.md, and of links docs/ipus.md.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "support/expected.h"

namespace tessera {

// A tile of the machine, 0 .. target.all_tiles() - 1: over all IPUs. A type of its own, as Cycles
// is, so that a tile's number and a count of cycles cannot be mixed up.
struct TileId {
  uint32_t value = 0;
  constexpr auto operator<=>(const TileId&) const = default;
};

// Time of the simulated machine, in cycles of the tile clock. Never host time.
struct Cycles {
  uint64_t value = 0;
  constexpr auto operator<=>(const Cycles&) const = default;
  constexpr Cycles& operator+=(Cycles other) {
    value += other.value;
    return *this;
  }
  friend constexpr Cycles operator+(Cycles a, Cycles b) { return {a.value + b.value}; }
};

struct Target {
  std::string name = "c600";
  int64_t tiles = 1472;  // of each IPU
  int64_t bytes_per_tile = 638976;
  double clock_hz = 1.5e9;
  int64_t workers = 6;                 // worker contexts of a tile
  int64_t macs_f16_partials_f16 = 64;  // per cycle and tile
  int64_t macs_f16_partials_f32 = 32;
  int64_t macs_f32 = 16;
  int64_t exchange_bytes_per_cycle = 4;  // received, per tile
  int64_t tiles_per_exchange_bus = 2;  // neighbours that receive the same data at the sum of rates
  double exchange_efficiency = 0.97;   // of a static schedule, against one without a gap
  int64_t memcpy_bytes_per_cycle = 8;
  int64_t weight_load_bytes_per_cycle = 8;    // into the matrix unit; 16: weights lie interleaved
  int64_t partials_load_bytes_per_cycle = 8;  // of a sum of partials; 16: they lie interleaved
  int64_t sync_cycles = 130;                  // per superstep
  int64_t setup_cycles = 120;                 // per superstep: exchange set-up and launch
  int64_t reserved_bytes = 17510;             // of every tile, for the runtime: boot code
  int64_t stack_bytes = 1843;                 // of every tile: its supervisor's and its workers'
  double host_bytes_per_second = 32e9;        // of each IPU
  double host_run_seconds = 200e-6;           // per engine run
  // IPUs that run one Program, all alike, in a ring. An IPU's links are shared out evenly to its
  // neighbours. A single IPU has no use for links: what is said of them then does not count.
  int64_t ipus = 1;
  int64_t links = 4;                    // of an IPU
  double link_bytes_per_second = 16e9;  // of a link, each way
  double link_efficiency = 0.85;
  double link_hop_seconds = 15e-9;  // from an IPU to its neighbour

  // Products of fp8 that a tile sums as f16 in a cycle: twice those of f16 (poplibs, the estimators
  // of quarters; C600's published peak of 560 TFLOP/s).
  int64_t macs_fp8() const { return 2 * macs_f16_partials_f16; }

  // Tiles are numbered over all IPUs, as Poplar does: IPU 1 has those behind IPU 0's.
  int64_t all_tiles() const { return ipus * tiles; }
  int64_t ipu_of(int64_t tile) const { return tile / tiles; }

  bool operator==(const Target& other) const;
};

// Every number of one IPU by name, in one order, for the text, the file and the verifier:
// call("tiles", target.tiles), …; the members are int64_t or double, all positive.
template <class T, class Call>
void for_each_ipu_field(T& target, Call&& call) {
  call("tiles", target.tiles);
  call("bytes_per_tile", target.bytes_per_tile);
  call("clock_hz", target.clock_hz);
  call("workers", target.workers);
  call("macs_f16_partials_f16", target.macs_f16_partials_f16);
  call("macs_f16_partials_f32", target.macs_f16_partials_f32);
  call("macs_f32", target.macs_f32);
  call("exchange_bytes_per_cycle", target.exchange_bytes_per_cycle);
  call("tiles_per_exchange_bus", target.tiles_per_exchange_bus);
  call("exchange_efficiency", target.exchange_efficiency);
  call("memcpy_bytes_per_cycle", target.memcpy_bytes_per_cycle);
  call("weight_load_bytes_per_cycle", target.weight_load_bytes_per_cycle);
  call("partials_load_bytes_per_cycle", target.partials_load_bytes_per_cycle);
  call("sync_cycles", target.sync_cycles);
  call("setup_cycles", target.setup_cycles);
  call("reserved_bytes", target.reserved_bytes);
  call("stack_bytes", target.stack_bytes);
  call("host_bytes_per_second", target.host_bytes_per_second);
  call("host_run_seconds", target.host_run_seconds);
}
// The same of what joins IPUs.
template <class T, class Call>
void for_each_link_field(T& target, Call&& call) {
  call("ipus", target.ipus);
  call("links", target.links);
  call("link_bytes_per_second", target.link_bytes_per_second);
  call("link_efficiency", target.link_efficiency);
  call("link_hop_seconds", target.link_hop_seconds);
}
// Both, but what joins IPUs only where there are several: one IPU is written as it always was.
template <class T, class Call>
void for_each_field(T& target, Call&& call) {
  for_each_ipu_field(target, call);
  if (target.ipus > 1) for_each_link_field(target, call);
}

// Whether a matrix unit multiplies fp8: that of the C600 does (PopRT's ipu21). A target has its
// preset's name, and may have changes behind a comma.
bool has_fp8(const Target& target);

// "c600", "gc200", "bow", or "test" (4 tiles, for tests); several of them: "c600x4", "pod16",
// "bow-pod16", "testx2". An unknown name is a Usage error that lists the known ones.
Expected<Target> target_preset(std::string_view name);

}  // namespace tessera
