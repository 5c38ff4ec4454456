// SPDX-License-Identifier: Apache-2.0
// Elements moved as bytes, whatever they mean.
#pragma once

#include "codelets/vector.tile.h"

namespace tessera {

constexpr int64_t size_of(Element element) {
  switch (element) {
    case Element::F32:
    case Element::I32: return 4;
    case Element::F16: return 2;
    case Element::Bool:
    case Element::I8:
    case Element::U8:
    case Element::F143:
    case Element::F152: return 1;
  }
  return 0;
}

// Runs of elements of `unit` bytes; places and counts are in elements.
struct Mover {
  int64_t unit;

  TILE_INLINE void copy(const VertexOperand& from, int64_t from_at, const VertexOperand& to,
                        int64_t to_at, int64_t count) const {
    __builtin_memcpy(static_cast<char*>(to.data) + to_at * unit,
                     static_cast<const char*>(from.data) + from_at * unit,
                     static_cast<uint64_t>(count * unit));
  }
  TILE_INLINE void zero(const VertexOperand& to, int64_t to_at, int64_t count) const {
    __builtin_memset(static_cast<char*>(to.data) + to_at * unit, 0,
                     static_cast<uint64_t>(count * unit));
  }
};

}  // namespace tessera
