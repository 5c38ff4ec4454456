// SPDX-License-Identifier: Apache-2.0
// Rows in memory that are needed soon, brought nearer a few at a time between other work.
#pragma once

#include <cstdint>

namespace tessera {

// `rows` of `bytes` each, `stride` bytes apart.
struct Ahead {
  const char* row;
  int64_t stride, rows, bytes;

  void fetch(int64_t count) {
    for (; count > 0 && rows > 0; --count, --rows, row += stride) {
      for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(row + at, 0, 2);
    }
  }
};

}  // namespace tessera
