// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codelets/abi.h"

namespace tessera {

// Which keys a query sees; numbered as the param.
enum class Mask : int64_t { None = 0, Keys = 1, Segments = 2, Lengths = 3, Bias = 4 };

// Rows of queries that are worked on at once, at most.
inline constexpr int64_t kAttentionRows = 6;

// Scratch, in floats: the keys and values of one head as f32 panels, rows of queries, rows of
// scores, runs of visible keys.
struct AttentionScratch {
  int64_t keys, values, queries, scores, runs;
  int64_t score_stride;  // keys in whole panels, and one panel to read beyond
  int64_t bytes;

  constexpr AttentionScratch(int64_t d, int64_t s) {
    keys = 0;
    values = keys + whole(s) * d;
    queries = values + s * whole(d);
    scores = queries + kAttentionRows * whole(d);
    score_stride = whole(s) + 16;
    runs = scores + kAttentionRows * score_stride;
    bytes = 4 * runs + 16 * ((s + 1) / 2);
  }

 private:
  static constexpr int64_t whole(int64_t elements) { return (elements + 15) / 16 * 16; }
};

}  // namespace tessera
