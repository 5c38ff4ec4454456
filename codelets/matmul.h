// SPDX-License-Identifier: Apache-2.0
// How a matmul is blocked and its scratch memory, for its vertex, its host side and the machine.
#pragma once

#include <stdint.h>

#include "support/math.h"

namespace tessera {

// Parameters that no Program has. The direct machine gives these to a matmul that it joined with
// the sum of its partials: the terms of a part, and the Element that a part's sum is rounded to.
inline constexpr const char* kPartTerms = "part_terms";
inline constexpr const char* kPartElement = "part_element";
// And these, to every matmul, as they suit the host (executor/host_tuning.h).
inline constexpr const char* kHostRows = "host_rows";
inline constexpr const char* kHostTerms = "host_terms";
inline constexpr const char* kHostPrefetch = "host_prefetch";
inline constexpr const char* kAddedParams[] = {kPartTerms, kPartElement, kHostRows, kHostTerms,
                                               kHostPrefetch};

// Pieces that are worth a call: a's rows become f32 once a piece, b's columns once for kMatMulRows
// rows. Rows are multiplied in strips of at most kMatMulStrip.
inline constexpr int64_t kMatMulRows = 192, kMatMulColumns = 64, kMatMulStrip = 6;

// How a matmul is blocked: speed hangs on it, and no bit of a result.
struct MatMulBlocks {
  int64_t rows = kMatMulRows;  // of a that are worked on at once, at most
  int64_t terms = 384;         // of a block, at most
  bool prefetch = true;        // the next block of b, while this one is multiplied
};

// Scratch, in floats. Rows of a stand there as f32, in blocks of terms, and one group of b's panels
// for one block of terms; both stay in the second-level cache while they are multiplied.
struct MatMulScratch {
  static constexpr int64_t kLine = 16;       // floats of a line of the cache
  static constexpr int64_t kGroup = 4 * 16;  // columns of the widest group of panels

  int64_t rows;         // of a that are worked on at once
  int64_t block_terms;  // of a block, at most
  int64_t a, b, totals, first_rows;
  int64_t bytes;

  constexpr MatMulScratch(int64_t m, int64_t k, int64_t part_terms, const MatMulBlocks& most)
      : rows(at_least(16, at_most(most.rows, (int64_t{1} << 20) / k))), block_terms(part_terms) {
    if (rows > m) rows = m;
    const int64_t blocks = ceil_div(k, most.terms);
    if (block_terms == 0) block_terms = ceil_div(k, blocks);
    a = 0;
    b = a + round_up(rows * k, kLine);
    totals = b + kGroup * block_terms;
    first_rows = totals + kGroup * rows;
    bytes = 4 * first_rows + 8 * (rows + 1);
  }

 private:
  static constexpr int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }
  static constexpr int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }
};

}  // namespace tessera
