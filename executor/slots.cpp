// SPDX-License-Identifier: Apache-2.0
#include "executor/slots.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace tessera {
namespace {

constexpr size_t kMostGuarded = 4096;
// Slots that a variable is tried in: what keeps a Program whose variables all live at once from
// costing the square of their number.
constexpr size_t kMostTried = 64;

class Slot {
 public:
  bool is_free(const Lifetime& life) const {
    const auto after = taken_.upper_bound(life.last);  // begins after it ends
    return after == taken_.begin() || std::prev(after)->second < life.first;
  }
  void take(const Lifetime& life) { taken_[life.first] = life.last; }

 private:
  std::map<int64_t, int64_t> taken_;  // first to last, both included; they do not meet
};

}  // namespace

Slots slots_by_liveness(std::span<const Lifetime> lifetimes) {
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [&](size_t i) { return lifetimes[i].bytes; });
  Slots slots{std::vector<int32_t>(lifetimes.size(), -1), {}};
  std::vector<Slot> made;
  for (const size_t i : order) {
    const Lifetime& life = lifetimes[i];
    if (life.bytes == 0 || life.last < life.first) continue;
    const size_t last = made.size() < kMostTried ? 0 : made.size() - kMostTried;
    size_t at = made.size();
    while (at > last && !made[at - 1].is_free(life)) --at;
    if (at == last) {
      made.emplace_back();
      slots.bytes.push_back(life.bytes);
      at = made.size();
    }
    made[at - 1].take(life);
    slots.slot[i] = static_cast<int32_t>(at - 1);
  }
  return slots;
}

Expected<SlotMemory> SlotMemory::allocate(const Slots& slots) {
  SlotMemory memory;
  const size_t guarded = std::min(slots.bytes.size(), kMostGuarded);
  for (size_t i = 0; i < guarded; ++i) {
    const int64_t bytes = aligned_size(slots.bytes[i]);
    memory.buffers_.push_back(TRY(HostBuffer::allocate(bytes)));
    memory.ends_.push_back(memory.buffers_.back().data() + bytes);
  }
  if (guarded == slots.bytes.size()) return memory;
  int64_t together = 0;
  for (size_t i = guarded; i < slots.bytes.size(); ++i) together += aligned_size(slots.bytes[i]);
  memory.buffers_.push_back(TRY(HostBuffer::allocate(together)));
  std::byte* end = memory.buffers_.back().data();
  for (size_t i = guarded; i < slots.bytes.size(); ++i)
    memory.ends_.push_back(end += aligned_size(slots.bytes[i]));
  return memory;
}

std::byte* SlotMemory::place(int32_t slot, int64_t bytes) const {
  return ends_[static_cast<size_t>(slot)] - aligned_size(bytes);
}

int64_t SlotMemory::size() const {
  int64_t bytes = 0;
  for (const HostBuffer& buffer : buffers_) bytes += buffer.size();
  return bytes;
}

void SlotMemory::fill(std::byte value) const {
  for (const HostBuffer& buffer : buffers_) buffer.fill(value);
}

}  // namespace tessera
