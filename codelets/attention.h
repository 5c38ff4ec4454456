// SPDX-License-Identifier: Apache-2.0
// The mask parameter of an attention and its scratch memory, for its vertex, its host side and
// lowering.
#pragma once

#include "codelets/abi.h"

namespace tessera {

// The keys that a query sees.
enum class Sees : int64_t { All = 0, Keys = 1, Segments = 2, Lengths = 3 };

// The param `mask`: who sees whom, 4 more with a bias on the scores, 8 more where a query whose
// weights are NaN gets 0.
struct AttentionMaskParam {
  Sees sees = Sees::All;
  bool bias = false, guarded = false;

  static constexpr int64_t kMost = 15;
  static constexpr AttentionMaskParam of(int64_t param) {
    return {static_cast<Sees>(param & 3), (param & 4) != 0, (param & 8) != 0};
  }
  constexpr int64_t param() const {
    return static_cast<int64_t>(sees) + (bias ? 4 : 0) + (guarded ? 8 : 0);
  }
  // Between v and out.
  constexpr int64_t key_operands() const {
    return sees == Sees::All ? 0 : sees == Sees::Segments ? 2 : 1;
  }
  constexpr int64_t operands() const { return key_operands() + (bias ? 1 : 0); }
};

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
