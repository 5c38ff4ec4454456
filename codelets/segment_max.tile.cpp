// SPDX-License-Identifier: Apache-2.0
// segment_max: the greatest over a row's tokens of one segment, for each of them. Tokens of a
// segment mostly lie side by side, and the second of two has what the first has.
#include "codelets/constants.h"
#include "codelets/vector.tile.h"

using namespace tessera;

extern "C" const SegmentMaxConstants segment_max_constants;

namespace {

struct Row {
  const int* ids;
  const float* x;
  float* out;
  int64_t tokens, numbers, x_stride, out_stride;

  const float* in(int64_t token) const { return x + token * x_stride; }
  float* made(int64_t token) const { return out + token * out_stride; }
};

// NaN is more than any number.
bool is_more(float a, float b) { return a > b || a != a; }

void greatest_of(const Row& row, int64_t token) {
  const int id = row.ids[token];
  for (int64_t i = 0; i < row.numbers; ++i) {
    float most = row.in(token)[i];
    for (int64_t other = 0; id != 0 && other < row.tokens; ++other)
      if (row.ids[other] == id && is_more(row.in(other)[i], most)) most = row.in(other)[i];
    row.made(token)[i] = most;
  }
}

}  // namespace

extern "C" void segment_max(const VertexOperand* operands, void*) {
  const VertexOperand &x = operands[0], &ids = operands[1], &out = operands[2];
  for (int64_t r = 0; r < x.size[0]; ++r) {
    const Row row{static_cast<const int*>(ids.data) + r * ids.stride[0],
                  static_cast<const float*>(x.data) + r * x.stride[0],
                  static_cast<float*>(out.data) + r * out.stride[0],
                  x.size[1],
                  x.size[2],
                  x.stride[1],
                  out.stride[1]};
    for (int64_t token = 0; token < row.tokens; ++token) {
      const bool goes_on = token > 0 && row.ids[token] != 0 && row.ids[token] == row.ids[token - 1];
      if (!goes_on) {
        greatest_of(row, token);
        continue;
      }
      for (int64_t i = 0; i < row.numbers; ++i) row.made(token)[i] = row.made(token - 1)[i];
    }
  }
}
