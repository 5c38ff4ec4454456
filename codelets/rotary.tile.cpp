// SPDX-License-Identifier: Apache-2.0
// rotary: x · cos + swap(x) · sin, for each head of each token.
#include "codelets/constants.h"
#include "codelets/vector.tile.h"

using namespace tessera;

extern "C" const RotaryConstants rotary_constants;

namespace {

// Where the numbers of one head stand, in elements.
struct At {
  int64_t x, cos, sin, out;
  TILE_INLINE At plus(int64_t i) const { return {x + i, cos + i, sin + i, out + i}; }
};

TILE_INLINE void rotate(const VertexOperand* operands, const At& at, v16 x, v16 swapped,
                        int64_t left) {
  const RotaryConstants& is = rotary_constants;
  const v16 cos = load_upto(is.cos, operands[1].data, at.cos, left);
  const v16 sin = load_upto(is.sin, operands[2].data, at.sin, left);
  store_upto(is.out, operands[3].data, at.out, left, fma(x, cos, swapped * sin));
}

// Sixteen numbers are eight whole pairs, and so is what an even head has left.
TILE_INLINE void rotate_neighbours(const VertexOperand* operands, const At& head, int64_t depth) {
  const RotaryConstants& is = rotary_constants;
  for_each_lanes(depth, [&](int64_t i, int64_t left) {
    const v16 x = load_upto(is.x, operands[0].data, head.x + i, left);
    const v16 swapped =
        __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    rotate(operands, head.plus(i), x, swapped, left);
  });
}

TILE_INLINE void rotate_halves(const VertexOperand* operands, const At& head, int64_t depth) {
  const RotaryConstants& is = rotary_constants;
  const int64_t half = depth / 2;
  for_each_lanes(half, [&](int64_t i, int64_t left) {
    const v16 first = load_upto(is.x, operands[0].data, head.x + i, left);
    const v16 second = load_upto(is.x, operands[0].data, head.x + half + i, left);
    rotate(operands, head.plus(i), first, second, left);
    rotate(operands, head.plus(half + i), second, first, left);
  });
}

}  // namespace

extern "C" void rotary(const VertexOperand* operands, void*) {
  const VertexOperand &x = operands[0], &cos = operands[1], &sin = operands[2], &out = operands[3];
  for (int64_t b = 0; b < x.size[0]; ++b)
    for (int64_t r = 0; r < x.size[1]; ++r)
      for (int64_t h = 0; h < x.size[2]; ++h) {
        // Angles of one sequence have a stride of 0 and serve all.
        const At head{b * x.stride[0] + r * x.stride[1] + h * x.stride[2],
                      b * cos.stride[0] + r * cos.stride[1], b * sin.stride[0] + r * sin.stride[1],
                      b * out.stride[0] + r * out.stride[1] + h * out.stride[2]};
        if (rotary_constants.halves) {
          rotate_halves(operands, head, x.size[3]);
        } else {
          rotate_neighbours(operands, head, x.size[3]);
        }
      }
}
