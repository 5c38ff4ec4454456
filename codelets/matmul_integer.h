// SPDX-License-Identifier: Apache-2.0
// Limits and scratch memory of the matmul of bytes, for its vertex and its host side.
#pragma once

#include <stdint.h>

namespace tessera {

// The longest sum of products of differences of bytes that 32 bits hold.
inline constexpr int64_t kMostTerms = INT32_MAX / (255 * 255);

// Pieces that are worth a call: b becomes panels once a piece.
inline constexpr int64_t kIntegerRows = 192, kIntegerColumns = 64, kIntegerStrip = 6;

// Scratch, in bytes. Terms go in fours: a row of a has `terms` bytes there, and so has each of b's
// columns.
struct MatMulIntegerScratch {
  static constexpr int64_t kGroup = 4 * 16;  // columns of the widest group of panels

  int64_t terms;
  int64_t a, row_sums, b, column_sums, sums, row;
  int64_t bytes;

  // `copies_a`: its rows are not read where they lie.
  constexpr MatMulIntegerScratch(int64_t m, int64_t k, bool copies_a) : terms((k + 3) / 4 * 4) {
    a = 0;
    row_sums = a + (copies_a ? whole_lines(m * terms) : 0);
    b = row_sums + whole_lines(4 * m);
    column_sums = b + kGroup * terms;
    sums = column_sums + 4 * kGroup;
    row = sums + 4 * kGroup * kIntegerStrip;
    bytes = row + 4 * kGroup;
  }

 private:
  static constexpr int64_t whole_lines(int64_t bytes) { return (bytes + 63) / 64 * 64; }
};

}  // namespace tessera
