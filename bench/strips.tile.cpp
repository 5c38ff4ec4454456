// SPDX-License-Identifier: Apache-2.0
// Not a codelet of the machine's: strips of every shape that a host's registers may hold, to choose
// largest_strip() by (codelets/strip.tile.h). operands[0] is f32 rows [rows, terms], operands[1]
// panels [panels, terms, 16], operands[2] the sums; scratch is two integers: a strip's height and
// its panels.
#include "codelets/strip.tile.h"

using namespace tessera;

namespace {

template <int Rows, int Panels>
void all_strips(const VertexOperand* operands) {
  const int64_t rows = operands[0].size[0], terms = operands[0].size[1];
  const int64_t columns = operands[1].size[0] * kLanes;
  for (int64_t panel = 0; panel + Panels <= operands[1].size[0]; panel += Panels) {
    for (int64_t row = 0; row + Rows <= rows; row += Rows) {
      multiply_strip<OneSum, Rows, Panels>(
          {.a = static_cast<const float*>(operands[0].data) + row * terms,
           .row_stride = terms,
           .b = static_cast<float*>(operands[1].data) + panel * terms * kLanes,
           .panel_stride = terms * kLanes,
           .terms = terms,
           .sums = static_cast<float*>(operands[2].data) + row * columns + panel * kLanes,
           .sums_stride = columns,
           .more = false});
    }
  }
}

template <int Rows, int Panels>
TILE_INLINE void when(const int64_t* shape, const VertexOperand* operands) {
  if (shape[0] == Rows && shape[1] == Panels) all_strips<Rows, Panels>(operands);
}

}  // namespace

extern "C" void strips(const VertexOperand* operands, void* scratch) {
  const auto* shape = static_cast<const int64_t*>(scratch);
  if (host_vectors.bytes == 64) {
    when<14, 2>(shape, operands);
    when<12, 2>(shape, operands);
    when<9, 3>(shape, operands);
    when<8, 3>(shape, operands);
    when<6, 4>(shape, operands);
    when<4, 6>(shape, operands);
  } else if (host_vectors.bytes == 32) {
    when<7, 1>(shape, operands);
    when<6, 1>(shape, operands);
    when<4, 1>(shape, operands);
    when<3, 2>(shape, operands);
    when<2, 2>(shape, operands);
    when<2, 3>(shape, operands);
  }
  when<3, 1>(shape, operands);
  when<2, 1>(shape, operands);
  when<1, 2>(shape, operands);
}
