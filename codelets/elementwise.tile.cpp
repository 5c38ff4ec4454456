// SPDX-License-Identifier: Apache-2.0
// elementwise: a tape of operations, on a chunk of elements at a time.
//
// Each register of the tape is a chunk of lanes. A row of the tape costs one dispatch a chunk, and
// the opcodes that the tape does not have are not compiled at all. A register that lies in memory
// as the domain wants it, an f32 input in the f32 domain, is used where it is; others are
// converted once a chunk. So every value is computed in the domain and rounds once, at the store.
#include "codelets/elementwise.h"

#include "codelets/constants.h"
#include "codelets/lanes.tile.h"
#include "codelets/math.tile.h"
#include "codelets/nest.tile.h"
#include "codelets/pow.tile.h"
#include "codelets/sincos.tile.h"

using namespace tessera;

extern "C" const ElementwiseConstants elementwise_constants;

namespace {

constexpr int kBoxes = kMaxTapeInputs + 1;  // the inputs, then out
constexpr int kRegisters = kMaxTapeInputs + kMaxTapeConstants + kMaxTapeRows;

// Lanes where elements are, at any alignment.
template <class V>
struct InMemory;
template <>
struct InMemory<v16> {
  using Lanes = v16_in_memory;
  using Scalar = float;
  static constexpr Element kElement = Element::F32;
};
template <>
struct InMemory<i16> {
  using Lanes = i16_in_memory;
  using Scalar = int;
  static constexpr Element kElement = Element::I32;
};

// One row of the tape on one chunk.
template <class V>
struct Step {
  using Lanes = typename InMemory<V>::Lanes;
  Tape opcode;
  Lanes* out;
  const Lanes *a, *b, *c;
  int64_t vectors;
};

template <class V, class F>
TILE_INLINE void when(Tape opcode, const Step<V>& step, F f) {
  const bool used = (elementwise_constants.opcodes >> static_cast<int>(opcode) & 1) != 0;
  if (!used || step.opcode != opcode) return;
  for (int64_t i = 0; i < step.vectors; ++i) step.out[i] = f(step.a[i], step.b[i], step.c[i]);
}

TILE_INLINE v16 one_if(i16 mask, v16) { return mask ? splat(1.0f) : splat(0.0f); }
TILE_INLINE i16 one_if(i16 mask, i16) { return mask & 1; }

// --- Integers ---

using u16 = unsigned __attribute__((ext_vector_type(16)));
TILE_INLINE u16 bits(i16 x) { return __builtin_bit_cast(u16, x); }
TILE_INLINE i16 wrapped(u16 x) { return __builtin_bit_cast(i16, x); }

template <class F>
TILE_INLINE i16 by_lane(i16 a, i16 b, F f) {
  i16 result = a;
  for (int i = 0; i < kLanes; ++i) result[i] = f(a[i], b[i]);
  return result;
}

// Defined where the machine's own division would trap.
int divide(int a, int b) {
  if (b == 0) return 0;
  if (b == -1) return static_cast<int>(0u - static_cast<unsigned>(a));
  return a / b;
}

int power(int base, int exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  unsigned result = 1, square = static_cast<unsigned>(base);
  for (unsigned left = static_cast<unsigned>(exponent); left != 0; left >>= 1) {
    if ((left & 1) != 0) result *= square;
    square *= square;
  }
  return static_cast<int>(result);
}

// --- Every opcode, as codelets/opcodes.def says ---

TILE_INLINE void run(const Step<v16>& step) {
#define OPCODE(name, number, operands, domains, half, single, sets, in_f32, in_i32) \
  when(Tape::name, step,                                                            \
       [](v16 a, [[maybe_unused]] v16 b, [[maybe_unused]] v16 c) -> v16 { return in_f32; });
#include "codelets/opcodes.def"
#undef OPCODE
}

#define IN_I32_Float(name, in_i32)
#define IN_I32_Both(name, in_i32) \
  when(Tape::name, step,          \
       [](i16 a, [[maybe_unused]] i16 b, [[maybe_unused]] i16 c) -> i16 { return in_i32; });
TILE_INLINE void run(const Step<i16>& step) {
#define OPCODE(name, number, operands, domains, half, single, sets, in_f32, in_i32) \
  IN_I32_##domains(name, in_i32)
#include "codelets/opcodes.def"
#undef OPCODE
}
#undef IN_I32_Float
#undef IN_I32_Both

// --- A vertex ---

template <class V>
class Chunks {
  using Lanes = typename InMemory<V>::Lanes;
  using Scalar = typename InMemory<V>::Scalar;

 public:
  TILE_INLINE Chunks(const VertexOperand* operands, void* scratch)
      : operands_(operands), scratch_(static_cast<Scalar*>(scratch)) {
    for (int64_t i = 0; i < k_.constants; ++i) {
      const V value = splat(__builtin_bit_cast(Scalar, k_.values[i]));
      Lanes* chunk = slot(k_.inputs + i);
      for (int64_t v = 0; v < kTapeChunk / kLanes; ++v) chunk[v] = value;
      register_[k_.inputs + i] = chunk;
    }
  }

  // `count` <= kTapeChunk elements from the boxes' offsets on.
  TILE_INLINE void run_chunk(const Nest<kBoxes>& nest, const int64_t* offset, int64_t count) {
    for (int64_t i = 0; i < k_.inputs; ++i) {
      register_[i] = input(i, offset[i], nest.run_stride(i), count);
    }
    const int64_t first_row = k_.inputs + k_.constants;
    const int64_t last = first_row + k_.rows - 1;
    const int64_t out_stride = nest.run_stride(kMaxTapeInputs);
    Lanes* const in_place = lies_ready(k_.out, out_stride, count)
                                ? in_memory(operands_[k_.inputs], offset[kMaxTapeInputs])
                                : nullptr;
    for (int64_t r = 0; r < k_.rows; ++r) {
      const TapeRow& row = k_.tape[r];
      const bool to_out = first_row + r == last && in_place != nullptr;
      Lanes* const to = to_out ? in_place : slot(first_row + r);
      run(Step<V>{.opcode = static_cast<Tape>(row.opcode),
                  .out = to,
                  .a = register_[row.a],
                  .b = register_[row.b],
                  .c = register_[row.c],
                  .vectors = vectors(count)});
      register_[first_row + r] = to;
    }
    if (register_[last] == in_place) return;
    store(register_[last], offset[kMaxTapeInputs], out_stride, count);
  }

 private:
  static constexpr const ElementwiseConstants& k_ = elementwise_constants;

  static int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
  static int64_t vectors(int64_t count) { return (count + kLanes - 1) / kLanes; }
  static bool lies_ready(Element element, int64_t stride, int64_t count) {
    return element == InMemory<V>::kElement && stride == 1 && count % kLanes == 0;
  }
  static Lanes* in_memory(const VertexOperand& operand, int64_t offset) {
    return reinterpret_cast<Lanes*>(static_cast<Scalar*>(operand.data) + offset);
  }
  Lanes* slot(int64_t index) { return reinterpret_cast<Lanes*>(scratch_ + index * kTapeChunk); }

  TILE_INLINE const Lanes* input(int64_t i, int64_t offset, int64_t stride, int64_t count) {
    const VertexOperand& operand = operands_[i];
    const Element element = k_.input[i];
    if (lies_ready(element, stride, count)) return in_memory(operand, offset);
    Lanes* chunk = slot(i);
    if (stride == 0) {
      const V value = splat(load_lanes<V>(element, operand.data, offset, 0, 1)[0]);
      for (int64_t v = 0; v < vectors(count); ++v) chunk[v] = value;
      return chunk;
    }
    const int64_t whole = stride == 1 ? count / kLanes : 0;
    for (int64_t v = 0; v < whole; ++v) {
      chunk[v] = load_whole<V>(element, operand.data, offset + v * kLanes);
    }
    for (int64_t v = whole; v < vectors(count); ++v) {
      chunk[v] = load_lanes<V>(element, operand.data, offset + v * kLanes * stride, stride,
                               min_of(count - v * kLanes, kLanes));
    }
    return chunk;
  }

  TILE_INLINE void store(const Lanes* chunk, int64_t offset, int64_t stride, int64_t count) {
    void* const out = operands_[k_.inputs].data;
    const int64_t whole = stride == 1 ? count / kLanes : 0;
    for (int64_t v = 0; v < whole; ++v) {
      store_whole<V>(k_.out, out, offset + v * kLanes, chunk[v]);
    }
    for (int64_t v = whole; v < vectors(count); ++v) {
      store_lanes<V>(k_.out, out, offset + v * kLanes * stride, stride,
                     min_of(count - v * kLanes, kLanes), chunk[v]);
    }
  }

  const VertexOperand* operands_;
  Scalar* scratch_;
  const Lanes* register_[kRegisters];
};

Nest<kBoxes> loops(const VertexOperand* operands) {
  const ElementwiseConstants& k = elementwise_constants;
  Nest<kBoxes> nest;
  const VertexOperand& out = operands[k.inputs];
  for (int d = 0; d < kVertexRank; ++d) {
    int64_t step[kBoxes] = {};
    for (int64_t i = 0; i < k.inputs; ++i) step[i] = operands[i].stride[d];
    step[kMaxTapeInputs] = out.stride[d];
    nest.add(out.size[d], step);
  }
  return nest;
}

template <class V>
TILE_INLINE void run_tape(const VertexOperand* operands, void* scratch) {
  const Nest<kBoxes> nest = loops(operands);
  Chunks<V> chunks(operands, scratch);
  nest.for_each(nest.rank - 1, [&](const int64_t* row) {
    for (int64_t at = 0; at < nest.run(); at += kTapeChunk) {
      int64_t offset[kBoxes];
      for (int box = 0; box < kBoxes; ++box) offset[box] = row[box] + at * nest.run_stride(box);
      const int64_t left = nest.run() - at;
      chunks.run_chunk(nest, offset, left < kTapeChunk ? left : kTapeChunk);
    }
  });
}

}  // namespace

extern "C" void elementwise(const VertexOperand* operands, void* scratch) {
  if (elementwise_constants.in_i32 != 0) {
    run_tape<i16>(operands, scratch);
  } else {
    run_tape<v16>(operands, scratch);
  }
}
