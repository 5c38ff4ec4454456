// SPDX-License-Identifier: Apache-2.0
// An integer as it stands in a file: little-endian, any alignment, any host. A struct of these has
// no padding, so the struct is the format.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace tessera {

template <std::unsigned_integral T>
class Le {
 public:
  Le() = default;
  Le(T value) {
    for (size_t i = 0; i < sizeof(T); ++i) bytes_[i] = static_cast<uint8_t>(value >> (8 * i));
  }
  operator T() const {
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(T{bytes_[i]} << (8 * i));
    return value;
  }

 private:
  uint8_t bytes_[sizeof(T)] = {};
};

}  // namespace tessera
