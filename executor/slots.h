// SPDX-License-Identifier: Apache-2.0
// Variables that share memory: a slot is memory for variables that never live at the same time,
// and has guard pages around it. Unlike places in one buffer (host_memory.h), no two slots touch,
// so that code that leaves a variable faults and does not reach another.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "executor/host_memory.h"

namespace tessera {

// From the first superstep that touches a variable to the last, both included.
struct Lifetime {
  int64_t first = 0;
  int64_t last = 0;
  int64_t bytes = 0;
};
struct Slots {
  std::vector<int32_t> slot;   // by lifetime; -1: takes no room
  std::vector<int64_t> bytes;  // by slot, falling: its largest variable
};

// Largest first, each in the last made of a few slots that is free for as long as it lives.
Slots slots_by_liveness(std::span<const Lifetime> lifetimes);

// The memory of slots, each between guard pages. A process may not have guards without number:
// past the first few thousand slots, the smallest lie side by side between two.
class SlotMemory {
 public:
  static Expected<SlotMemory> allocate(const Slots& slots);
  // Where a variable of this slot and size begins: it ends where the slot does, at a guard page but
  // for what aligns it.
  std::byte* place(int32_t slot, int64_t bytes) const;
  int64_t size() const;  // bytes of all slots
  void fill(std::byte value) const;

 private:
  std::vector<HostBuffer> buffers_;
  std::vector<std::byte*> ends_;  // by slot
};

}  // namespace tessera
