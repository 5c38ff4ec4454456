// SPDX-License-Identifier: Apache-2.0
// Memory that is needed soon, brought nearer between other work.
#pragma once

#include "codelets/vector.tile.h"

namespace tessera {

// The cache lines of `bytes` from there on. `Write`: 1 if they are going to be written; `Level`: 3
// for the nearest cache, 2 for the one after it.
template <int Write, int Level>
TILE_INLINE void fetch_lines(const char* from, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(from + at, Write, Level);
}

// Rows to read much later, a few at a time: `rows` of `bytes` each, `stride` bytes apart.
struct Ahead {
  const char* row;
  int64_t stride, rows, bytes;

  void fetch(int64_t count) {
    for (; count > 0 && rows > 0; --count, --rows, row += stride) fetch_lines<0, 2>(row, bytes);
  }
};

}  // namespace tessera
