// SPDX-License-Identifier: Apache-2.0
// One value per dimension, at most kMaxRank of them, held in place. A compute set has a box per
// operand and vertex, a million in a large program: none of them should cost an allocation.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>
#include <vector>

#include "support/check.h"
#include "support/type.h"

namespace tessera {

template <class T>
class PerDim {
 public:
  PerDim() = default;
  explicit PerDim(size_t size, const T& value = {}) { resize(size, value); }
  PerDim(std::initializer_list<T> items) { assign(items.begin(), items.end()); }
  PerDim(const std::vector<T>& items) { assign(items.begin(), items.end()); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](size_t i) { return items_[i]; }
  const T& operator[](size_t i) const { return items_[i]; }
  T& back() { return items_[size_ - 1]; }
  const T& back() const { return items_[size_ - 1]; }
  T* begin() { return items_.data(); }
  T* end() { return items_.data() + size_; }
  const T* begin() const { return items_.data(); }
  const T* end() const { return items_.data() + size_; }

  void push_back(const T& item) {
    CHECK(size_ < items_.size());
    items_[size_++] = item;
  }
  void resize(size_t size, const T& value = {}) {
    CHECK(size <= items_.size());
    for (size_t i = size_; i < size; ++i) items_[i] = value;
    size_ = size;
  }
  bool operator==(const PerDim& other) const {
    return std::equal(begin(), end(), other.begin(), other.end());
  }

 private:
  template <class Iterator>
  void assign(Iterator first, Iterator last) {
    for (; first != last; ++first) push_back(*first);
  }

  std::array<T, kMaxRank> items_{};
  size_t size_ = 0;
};

}  // namespace tessera
