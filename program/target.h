// SPDX-License-Identifier: Apache-2.0
// The machine's numbers. The planner that chooses and the machine that counts read this one struct.
// Sources of each value: docs/machine.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "support/expected.h"

namespace tessera {

struct Target {
  std::string name = "c600";
  int64_t tiles = 1472;
  int64_t bytes_per_tile = 638976;
  double clock_hz = 1.5e9;
  int64_t workers = 6;                   // worker contexts of a tile
  int64_t macs_f16_partials_f16 = 64;    // per cycle and tile
  int64_t macs_f16_partials_f32 = 32;
  int64_t macs_f32 = 16;
  int64_t exchange_bytes_per_cycle = 4;  // received, per tile
  int64_t memcpy_bytes_per_cycle = 8;
  int64_t sync_cycles = 130;             // per superstep
  int64_t setup_cycles = 120;            // per superstep: exchange set-up and launch
  int64_t reserved_bytes = 65536;        // runtime, stacks and control code of every tile
  double host_bytes_per_second = 32e9;
  double host_run_seconds = 200e-6;      // per engine run

  bool operator==(const Target&) const = default;
};

// "c600", "gc200", "bow", or "test" (4 tiles, for tests). An unknown name is a Usage error that
// lists the known ones.
Expected<Target> target_preset(std::string_view name);

}  // namespace tessera
