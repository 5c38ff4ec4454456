// SPDX-License-Identifier: Apache-2.0
// A tile of the isolated machine holds boxes of variables. They are compact, and poisoned before
// they are written. Elements that two boxes share are copied from one to the other.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "program/boxes.h"
#include "program/program.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

inline constexpr std::byte kPoison{0xFF};  // NaN in both float types

// Elements [begin, end) of a variable, which stand at `offset` in a piece, in elements.
struct PieceRun {
  int64_t begin, end, offset;
};

// A box of a variable in some tile's memory.
struct TilePiece {
  std::vector<PieceRun> runs;  // increasing
  std::vector<std::byte> bytes;

  void fill(std::byte value) { std::fill(bytes.begin(), bytes.end(), value); }
};

TilePiece make_piece(const Shape& view, const Box& box, int64_t element_bytes);

// Calls with each stretch of elements that both hold: offsets in `a` and in `b`, and the count.
template <class Call>
void for_each_common(const TilePiece& a, const TilePiece& b, const Call& call) {
  for (size_t i = 0, j = 0; i < a.runs.size() && j < b.runs.size();) {
    const PieceRun& x = a.runs[i];
    const PieceRun& y = b.runs[j];
    const int64_t begin = std::max(x.begin, y.begin);
    const int64_t end = std::min(x.end, y.end);
    if (begin < end) call(x.offset + begin - x.begin, y.offset + begin - y.begin, end - begin);
    (x.end < y.end ? i : j) += 1;
  }
}

// Returns how many elements were copied.
int64_t copy_common(const TilePiece& from, TilePiece& to, int64_t element_bytes);

// Whether the limit on memory admits the pieces of all blocks, the plans of all supersteps, and
// what the largest of them delivers and collects.
Status check_piece_memory(const Program& program, const Limits& limits, const Deadline& deadline);

}  // namespace tessera
