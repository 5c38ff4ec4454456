// SPDX-License-Identifier: Apache-2.0
#include "packing/bins.h"

#include <algorithm>
#include <bit>

#include "support/check.h"

namespace tessera {

Bins::Bins(int64_t count, int64_t capacity, PackPolicy policy)
    : policy_(policy), capacity_(capacity) {
  CHECK(count >= 1 && capacity >= 1 && packs_a_stream(policy));
  CHECK(count <= INT32_MAX && capacity < INT32_MAX);
  const auto bins = static_cast<size_t>(count);
  room_.resize(bins);
  if (policy_ == PackPolicy::FirstFit) {
    leaves_ = std::bit_ceil(bins);
    most_.resize(2 * leaves_);
  } else if (policy_ != PackPolicy::NextFit) {
    head_.resize(static_cast<size_t>(capacity) + 1);
    below_.resize(bins);
    some_.resize(head_.size() / 64 + 1);
  }
  clear();
}

void Bins::clear() {
  std::fill(room_.begin(), room_.end(), static_cast<int32_t>(capacity_));
  current_ = 0;
  if (policy_ == PackPolicy::FirstFit) {
    std::fill(most_.begin(), most_.end(), 0);
    std::copy(room_.begin(), room_.end(), most_.begin() + static_cast<ptrdiff_t>(leaves_));
    for (size_t i = leaves_ - 1; i > 0; --i) most_[i] = std::max(most_[2 * i], most_[2 * i + 1]);
  } else if (policy_ != PackPolicy::NextFit) {
    std::fill(head_.begin(), head_.end(), -1);
    std::fill(some_.begin(), some_.end(), 0);
    // The last first, so that empty bins are used from the front.
    for (size_t bin = room_.size(); bin > 0; --bin) push(static_cast<int32_t>(bin - 1));
  }
}

int64_t Bins::find(int64_t need) {
  CHECK(need >= 1 && need <= capacity_);
  if (policy_ == PackPolicy::NextFit) return find_next(need);
  return policy_ == PackPolicy::FirstFit ? find_first(need) : find_best(need);
}

int64_t Bins::find_next(int64_t need) {
  for (size_t bin = current_; bin < room_.size(); ++bin)
    if (room_[bin] >= need) return static_cast<int64_t>(bin);
  return -1;
}

int64_t Bins::find_first(int64_t need) const {
  if (most_[1] < need) return -1;
  size_t node = 1;
  while (node < leaves_) {
    node *= 2;
    if (most_[node] < need) ++node;
  }
  return static_cast<int64_t>(node - leaves_);
}

int64_t Bins::find_best(int64_t need) const {
  auto word = static_cast<size_t>(need) / 64;
  uint64_t bits = some_[word] & (~uint64_t{0} << (need % 64));
  while (bits == 0) {
    if (++word == some_.size()) return -1;
    bits = some_[word];
  }
  return head_[word * 64 + static_cast<size_t>(std::countr_zero(bits))];
}

void Bins::push(int32_t bin) {
  const auto room = static_cast<size_t>(room_[static_cast<size_t>(bin)]);
  below_[static_cast<size_t>(bin)] = head_[room];
  head_[room] = bin;
  some_[room / 64] |= uint64_t{1} << (room % 64);
}

void Bins::pop(int32_t bin) {
  const auto room = static_cast<size_t>(room_[static_cast<size_t>(bin)]);
  CHECK(head_[room] == bin);
  head_[room] = below_[static_cast<size_t>(bin)];
  if (head_[room] < 0) some_[room / 64] &= ~(uint64_t{1} << (room % 64));
}

void Bins::take(int64_t bin, int64_t need) {
  const auto at = static_cast<size_t>(bin);
  CHECK(need <= room_[at]);
  const bool listed = policy_ == PackPolicy::BestFit || policy_ == PackPolicy::Window;
  if (listed) pop(static_cast<int32_t>(bin));
  room_[at] -= static_cast<int32_t>(need);
  if (listed) push(static_cast<int32_t>(bin));
  current_ = at;
  if (policy_ != PackPolicy::FirstFit) return;
  size_t node = leaves_ + at;
  most_[node] = room_[at];
  while ((node /= 2) > 0) most_[node] = std::max(most_[2 * node], most_[2 * node + 1]);
}

}  // namespace tessera
