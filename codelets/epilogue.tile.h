// SPDX-License-Identifier: Apache-2.0
// The end of a row of sums: bias, activation, residual, one rounding. Its branches are on
// constants.
#pragma once

#include "codelets/epilogue.h"
#include "codelets/math.tile.h"

namespace tessera {

TILE_INLINE v16 activate(Activation activation, v16 x) {
  switch (activation) {
    case Activation::None: return x;
    case Activation::Relu: return max(x, splat(0));
    case Activation::GeluErf: return gelu_erf(x);
    case Activation::GeluTanh: return gelu_tanh(x);
    case Activation::Tanh: return tanh(x);
  }
  return x;
}

// Where a row's sums go, and what they meet on the way; `…_at` is the row's first element.
struct RowEnd {
  const void* bias;
  int64_t bias_at;
  const void* residual;
  int64_t residual_at;
  void* out;
  int64_t out_at;
};

// `sums` holds n floats and may be read up to a multiple of 16.
TILE_INLINE void finish_row(const EpilogueConstants& is, const RowEnd& row, const float* sums,
                            int64_t n) {
  const auto finish = [&](int64_t i, auto load_lanes_of) {
    v16 x = load16(Element::F32, sums, i);
    if (is.has_bias) x += load_lanes_of(is.bias, row.bias, row.bias_at + i);
    x = activate(is.activation, x);
    if (is.has_residual) x += load_lanes_of(is.residual, row.residual, row.residual_at + i);
    return x;
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    store16(is.out, row.out, row.out_at + i, finish(i, load16));
  }
  if (i == n) return;
  const auto load_edge = [count = n - i](Element element, const void* from, int64_t at) {
    return load_some(element, from, at, count);
  };
  store_some(is.out, row.out, row.out_at + i, n - i, finish(i, load_edge));
}

}  // namespace tessera
