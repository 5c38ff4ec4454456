// SPDX-License-Identifier: Apache-2.0
// copy: transposes, slices, broadcasts and plain copies, by strides alone.
//
// A step below 0 runs from the box's last element backwards. Where the innermost run is contiguous
// on both sides it is copied as bytes; where it is contiguous only in out, but another loop is in
// in, both are walked in square blocks, so that each cache line is fetched once.
#include "codelets/constants.h"
#include "codelets/move.tile.h"
#include "codelets/nest.tile.h"

using namespace tessera;

extern "C" const CopyConstants copy_constants;

namespace {

enum Box { kIn, kOut, kBoxes };

// Where out's first element stands in in, and the loops from there.
struct Walk {
  int64_t first = 0;
  Nest<kBoxes> nest;
};

Walk walk(const VertexOperand& in, const VertexOperand& out) {
  Walk walk;
  for (int64_t d = 0; d < copy_constants.rank; ++d) {
    const int64_t from = copy_constants.perm[d];
    const int64_t step = in.size[from] == 1 ? 0 : copy_constants.step[d];
    if (step < 0) walk.first += (in.size[from] - 1) * in.stride[from];
    walk.nest.add(out.size[d], {in.stride[from] * step, out.stride[d]});
  }
  return walk;
}

template <class T>
void copy_run(const T* in, int64_t in_stride, T* out, int64_t out_stride, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i * out_stride] = in[i * in_stride];
}

// out[r][c] = in[c][r] with rows of either apart by a stride: the two innermost loops.
template <class T>
void transpose(const T* in, int64_t in_stride, int64_t columns, T* out, int64_t out_stride,
               int64_t rows) {
  constexpr int64_t kBlock = 64 / sizeof(T);
  for (int64_t r0 = 0; r0 < rows; r0 += kBlock) {
    const int64_t r1 = r0 + kBlock < rows ? r0 + kBlock : rows;
    for (int64_t c0 = 0; c0 < columns; c0 += kBlock) {
      const int64_t c1 = c0 + kBlock < columns ? c0 + kBlock : columns;
      for (int64_t r = r0; r < r1; ++r) {
        for (int64_t c = c0; c < c1; ++c) out[r * out_stride + c] = in[c * in_stride + r];
      }
    }
  }
}

template <class T>
void copy_elements(const VertexOperand& in_box, const VertexOperand& out_box) {
  const Walk path = walk(in_box, out_box);
  const Nest<kBoxes>& nest = path.nest;
  const T* const in = static_cast<const T*>(in_box.data) + path.first;
  T* const out = static_cast<T*>(out_box.data);
  const int64_t run = nest.run();
  const int64_t in_stride = nest.run_stride(kIn), out_stride = nest.run_stride(kOut);
  const bool contiguous = (in_stride == 1 && out_stride == 1) || run == 1;
  const int64_t beside = nest.rank - 2;  // the loop around the innermost
  const bool square =
      !contiguous && out_stride == 1 && beside >= 0 && nest.stride[beside][kIn] == 1;

  nest.for_each(square ? beside : nest.rank - 1, [&](const int64_t* at) {
    if (contiguous) {
      __builtin_memcpy(out + at[kOut], in + at[kIn], static_cast<uint64_t>(run) * sizeof(T));
    } else if (square) {
      transpose(in + at[kIn], in_stride, run, out + at[kOut], nest.stride[beside][kOut],
                nest.size[beside]);
    } else {
      copy_run(in + at[kIn], in_stride, out + at[kOut], out_stride, run);
    }
  });
}

}  // namespace

extern "C" void copy(const VertexOperand* operands, void*) {
  switch (size_of(copy_constants.element)) {
    case 4: return copy_elements<uint32_t>(operands[0], operands[1]);
    case 2: return copy_elements<uint16_t>(operands[0], operands[1]);
    default: return copy_elements<uint8_t>(operands[0], operands[1]);
  }
}
