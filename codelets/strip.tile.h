// SPDX-License-Identifier: Apache-2.0
// The inner product of strips: `Rows` rows of f32 times `Panels` panels (panels.tile.h), with every
// sum in a register from the first term to the last. The first strip that needs panels makes them
// on its way: its products wait for nothing meanwhile.
//
// Each term costs one fused product, a load of sixteen columns shared by all rows, and a broadcast
// of one element shared by all panels; with enough of both the FMA units never wait. How many
// registers there are decides the strip, and nothing else does: a sum is the same chain of fused
// products in the order of the terms whatever strip it falls in.
#pragma once

#include "codelets/panels.tile.h"

extern "C" const tessera::HostVectors host_vectors;

namespace tessera {

inline constexpr int kMaxStripRows = 6;
inline constexpr int kMaxStripPanels = 4;

struct StripSize {
  int64_t rows, panels;
};

// The strip that bench_strips measured to be the fastest for a host's registers
// (docs/performance.md has its table). Its sums take 24 of 32 registers of 64 bytes; two of 32
// bytes a sum, 12 of 16; four of 16 bytes a sum, 24 of 32 or 12 of 16.
TILE_INLINE StripSize largest_strip() {
  if (host_vectors.bytes == 64) return {6, 4};
  if (host_vectors.bytes == 32 || host_vectors.count == 32) return {6, 1};
  return {3, 1};
}

// How many panels the next strips take when `left` are left: the largest strip's, half or a quarter
// of them. (Each size is code to compile.)
TILE_INLINE int64_t strip_panels(int64_t left) {
  int64_t panels = largest_strip().panels;
  while (panels > left) panels /= 2;
  return panels;
}

// `whole` in equal parts of at most `most`: the first parts are larger by one where it must be.
struct Parts {
  int64_t count, size, larger;
  TILE_INLINE Parts(int64_t whole, int64_t most)
      : count((whole + most - 1) / most), size(whole / count), larger(whole % count) {}
  TILE_INLINE int64_t operator[](int64_t i) const { return size + (i < larger); }
};

// The operands of a strip. Row r of a begins at a + r * row_stride, panel p of b at b + p *
// panel_stride; the sums of the two go to sums + r * sums_stride + p * 16. `more`: they are added
// to what earlier terms left there.
struct Strip {
  const float* a;
  int64_t row_stride;
  float* b;
  int64_t panel_stride;
  int64_t terms;
  float* sums;
  int64_t sums_stride;
  bool more;
};

// How more terms add to a sum: in the same chain of products. A type in the place of this one may
// say that they are summed apart, and rounded before they are added; the JIT knows by then, and
// compiles one way only.
struct OneSum {
  static constexpr bool apart() { return false; }
  TILE_INLINE static v16 rounded(v16 sum) { return sum; }
};

// Sixteen columns of a term: from their panel,
struct PanelColumns {
  TILE_INLINE v16 take(float* panel, int64_t) const { return load16(Element::F32, panel, 0); }
  TILE_INLINE void next_term() {}
};

// or from the matrix in memory; their panel is written with them. A row begins `stride` after the
// row before.
template <const Element* kElement>
struct MatrixColumns {
  const void* matrix;
  int64_t at, stride;

  TILE_INLINE v16 take(float* panel, int64_t column) const {
    const v16 columns = load16(*kElement, matrix, at + column);
    store16(Element::F32, panel, 0, columns);
    return columns;
  }
  TILE_INLINE void next_term() { at += stride; }
  void write_all(const Strip& strip, int64_t columns) const {
    write_panels(*kElement, matrix, at, stride, strip.terms, columns, strip.b, strip.panel_stride);
  }
};

template <class Sum, int Rows, int Panels, class Columns = PanelColumns>
[[gnu::noinline]] void multiply_strip(const Strip& given, const Columns& from = {}) {
  const Strip strip = given;  // copies: stores to the sums cannot change them
  Columns b_columns = from;
  const float* row[Rows];
  v16 sum[Rows][Panels];
#pragma unroll
  for (int r = 0; r < Rows; ++r) {
    row[r] = strip.a + r * strip.row_stride;
#pragma unroll
    for (int p = 0; p < Panels; ++p) sum[r][p] = splat(0);
  }
  if (strip.more && !Sum::apart()) {
#pragma unroll
    for (int r = 0; r < Rows; ++r) {
#pragma unroll
      for (int p = 0; p < Panels; ++p) {
        sum[r][p] = load16(Element::F32, strip.sums, r * strip.sums_stride + p * kLanes);
      }
    }
  }
  float* b = strip.b;
  for (int64_t k = 0; k < strip.terms; ++k, b += kLanes, b_columns.next_term()) {
    v16 columns[Panels];
#pragma unroll
    for (int p = 0; p < Panels; ++p) {
      columns[p] = b_columns.take(b + p * strip.panel_stride, p * kLanes);
    }
#pragma unroll
    for (int r = 0; r < Rows; ++r) {
      const v16 term = splat(row[r][k]);
#pragma unroll
      for (int p = 0; p < Panels; ++p) sum[r][p] = fma(term, columns[p], sum[r][p]);
    }
  }
#pragma unroll
  for (int r = 0; r < Rows; ++r) {
#pragma unroll
    for (int p = 0; p < Panels; ++p) {
      const int64_t at = r * strip.sums_stride + p * kLanes;
      v16 result = Sum::rounded(sum[r][p]);
      if (strip.more && Sum::apart()) result = load16(Element::F32, strip.sums, at) + result;
      store16(Element::F32, strip.sums, at, result);
    }
  }
}

// Calls with the first row and the height of each strip: as equal as can be.
template <class Call>
TILE_INLINE void for_each_strip(int64_t rows, Call call) {
  const Parts strips(rows, largest_strip().rows);
  for (int64_t i = 0, row = 0; i < strips.count; row += strips[i++]) call(row, strips[i]);
}

// Strip sizes that this host never asks for are not compiled.
template <class Sum = OneSum, int Rows = kMaxStripRows, int Panels = kMaxStripPanels>
TILE_INLINE void multiply(StripSize size, const Strip& strip) {
  if (Rows <= largest_strip().rows && Panels <= largest_strip().panels && size.rows == Rows &&
      size.panels == Panels) {
    return multiply_strip<Sum, Rows, Panels>(strip);
  }
  if constexpr (Panels > 1) {
    return multiply<Sum, Rows, Panels / 2>(size, strip);
  } else if constexpr (Rows > 1) {
    return multiply<Sum, Rows - 1>(size, strip);
  }
}

// Multiplies the first strip, with b as a matrix, and leaves b's panels for the strips after it.
// (Only the largest strip does both at once, so the sizes below are those of largest_strip: code
// for all sizes is not worth its time.)
template <class Sum = OneSum, class Matrix>
TILE_INLINE void multiply_first(StripSize size, const Strip& strip, const Matrix& matrix,
                                int64_t columns) {
  const StripSize largest = largest_strip();
  if (size.rows != largest.rows || columns != largest.panels * kLanes) {
    matrix.write_all(strip, columns);
    return multiply<Sum>(size, strip);
  }
  if (largest.rows == 3) return multiply_strip<Sum, 3, 1>(strip, matrix);
  if (largest.panels == 1) return multiply_strip<Sum, 6, 1>(strip, matrix);
  multiply_strip<Sum, 6, 4>(strip, matrix);
}

}  // namespace tessera
