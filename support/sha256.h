// SPDX-License-Identifier: Apache-2.0
// SHA-256 digests of bytes, at once or piece by piece.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tessera {

using Sha256 = std::array<std::byte, 32>;

class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  void add(std::span<const std::byte> bytes);
  Sha256 finish();  // once

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

Sha256 sha256(std::span<const std::byte> bytes);
Sha256 sha256(std::string_view text);
std::string to_hex(const Sha256& digest);  // 64 lower-case digits

}  // namespace tessera
