// SPDX-License-Identifier: Apache-2.0
// matmul_integer: sums of products of bytes in i32, which no order changes, then what the end of a
// matmul does in f32.
//
// The host multiplies u8 by i8, four terms at a time (bytes.tile.h). So a is taken as u8 and b as
// i8, the other type by turning its top bit over, which moves its zero point by 128; and what the
// zero points add to a sum is taken off when it is done:
//
//   (a - p)·(b - q) = a·b - p·(sum of b's column) - q·(sum of a's row) + k·p·q
//
// Group after group of b's columns becomes panels, and all rows pass by them in strips.
#include "codelets/matmul_integer.h"

#include "codelets/ahead.tile.h"
#include "codelets/bytes.tile.h"
#include "codelets/constants.h"
#include "codelets/epilogue.tile.h"
#include "codelets/lanes.tile.h"

using namespace tessera;

extern "C" const MatMulIntegerConstants matmul_integer_constants;

namespace {

constexpr const MatMulIntegerConstants& kIs = matmul_integer_constants;
constexpr int64_t kGroup = MatMulIntegerScratch::kGroup;
static_assert(kMaxStripPanels * kLanes <= kGroup);

struct Operands {
  const VertexOperand &a, &b, *row_zero, *column_zero, *row_scale, *column_scale, *bias, *residual,
      &out;
};

Operands operands_of(const VertexOperand* operands) {
  const VertexOperand* next = operands + 2;
  const auto take = [&](int64_t is_there) { return is_there ? next++ : nullptr; };
  const VertexOperand* row_zero = take(kIs.has_row_zero);
  const VertexOperand* column_zero = take(kIs.has_column_zero);
  const VertexOperand* row_scale = take(kIs.has_row_scale);
  const VertexOperand* column_scale = take(kIs.has_column_scale);
  const VertexOperand* bias = take(kIs.end.has_bias);
  const VertexOperand* residual = take(kIs.end.has_residual);
  return {operands[0],  operands[1], row_zero, column_zero, row_scale,
          column_scale, bias,        residual, *next};
}

// Whether sums of columns and of rows have to be known.
constexpr bool has_row_zero() { return kIs.has_row_zero || kIs.a == Element::I8; }
constexpr bool has_column_zero() { return kIs.has_column_zero || kIs.b == Element::U8; }

struct Scratch {
  unsigned char* a;
  int *row_sums, *column_sums, *sums;
  signed char* b;
  float* row;

  Scratch(void* memory, const MatMulIntegerScratch& is)
      : a(static_cast<unsigned char*>(memory) + is.a),
        row_sums(reinterpret_cast<int*>(static_cast<char*>(memory) + is.row_sums)),
        column_sums(reinterpret_cast<int*>(static_cast<char*>(memory) + is.column_sums)),
        sums(reinterpret_cast<int*>(static_cast<char*>(memory) + is.sums)),
        b(static_cast<signed char*>(memory) + is.b),
        row(reinterpret_cast<float*>(static_cast<char*>(memory) + is.row)) {}
};

// The rows of one matrix of a, as u8, in whole fours.
struct Rows {
  int64_t g, count;
  const unsigned char* first;
  int64_t stride;
};

Rows take_rows(const Operands& is, int64_t g, const MatMulIntegerScratch& sizes,
               const Scratch& scratch) {
  const int64_t terms = is.a.size[2];
  const auto* from = static_cast<const unsigned char*>(is.a.data) + g * is.a.stride[0];
  Rows rows{g, is.a.size[1], from, is.a.stride[1]};
  const bool in_place = kIs.a == Element::U8 && terms == sizes.terms;
  if (!in_place) {
    rows.first = scratch.a;
    rows.stride = sizes.terms;
    for (int64_t r = 0; r < rows.count; ++r)
      copy_bytes(from + r * is.a.stride[1], terms, kIs.a == Element::I8 ? 0x80 : 0, sizes.terms,
                 scratch.a + r * sizes.terms);
  }
  for (int64_t r = 0; has_column_zero() && r < rows.count; ++r)
    scratch.row_sums[r] = sum_of_bytes(rows.first + r * rows.stride, sizes.terms);
  return rows;
}

// Neighbouring panels of b.
struct Group {
  int64_t column, columns, panels;
  int64_t wide() const { return panels * kLanes; }
};

BytePanels panels_of_group(const Operands& is, int64_t g, const Group& group) {
  const int64_t matrix = is.b.size[0] == 1 ? 0 : g * is.b.stride[0];
  return {static_cast<const unsigned char*>(is.b.data) + matrix + group.column, is.b.stride[1],
          is.b.size[1], group.columns, kIs.b == Element::U8 ? 0x80 : 0};
}

// A number of a row or a column: one for all where the size is 1.
template <class Get>
TILE_INLINE auto number_of(const VertexOperand& of, int64_t g, int64_t i, Get get) {
  const int64_t matrix = of.size[0] == 1 ? 0 : g * of.stride[0];
  return get(of.data, matrix + (of.size[1] == 1 ? 0 : i));
}

int row_zero_of(const Operands& is, int64_t g, int64_t row) {
  const int moved = kIs.a == Element::I8 ? 128 : 0;
  if (is.row_zero == nullptr) return moved;
  return moved + number_of(*is.row_zero, g, row, [](const void* from, int64_t at) {
           return load_int(kIs.row_zero, from, at);
         });
}

// Sixteen numbers of columns, of which `left` are there.
TILE_INLINE i16 column_zeros_of(const Operands& is, int64_t g, int64_t column, int64_t left) {
  const i16 moved = splat(kIs.b == Element::U8 ? -128 : 0);
  if (is.column_zero == nullptr) return moved;
  const VertexOperand& of = *is.column_zero;
  const int64_t matrix = of.size[0] == 1 ? 0 : g * of.stride[0];
  if (of.size[1] == 1) return moved + splat(load_int(kIs.column_zero, of.data, matrix));
  return moved + load_lanes<i16>(kIs.column_zero, of.data, matrix + column, 1,
                                 left < kLanes ? left : kLanes);
}

TILE_INLINE v16 column_scales_of(const Operands& is, int64_t column, int64_t left) {
  if (is.column_scale == nullptr) return splat(1.0f);
  const VertexOperand& of = *is.column_scale;
  if (of.size[1] == 1) return splat(load(Element::F32, of.data, 0));
  return load_upto(Element::F32, of.data, column, left);
}

float row_scale_of(const Operands& is, int64_t g, int64_t row) {
  if (is.row_scale == nullptr) return 1;
  return number_of(*is.row_scale, g, row,
                   [](const void* from, int64_t at) { return load(Element::F32, from, at); });
}

void store_sums(const Operands& is, int64_t at, int64_t left, i16 sum) {
  store_lanes<i16>(Element::I32, is.out.data, at, 1, left < kLanes ? left : kLanes, sum);
}

// round(x / scale) + zero as ONNX has it.
void quantize_row(const float* from, int64_t n, void* out, int64_t at) {
  const v16 scale = splat(static_cast<float>(kIs.out_scale));
  const v16 zero = splat(static_cast<float>(kIs.out_zero));
  for_each_lanes(n, [&](int64_t i, int64_t left) {
    const v16 x = load16(Element::F32, from, i) / scale;
    store_lanes<v16>(kIs.to, out, at + i, 1, left < kLanes ? left : kLanes, round_even(x) + zero);
  });
}

// Turns the strip's sums into results, a row at a time.
void finish_rows(const Operands& is, const Rows& rows, const Group& group, int64_t first,
                 int64_t height, const Scratch& scratch) {
  const auto terms = static_cast<int>(is.a.size[2]);
  const bool to_bytes = is_byte(kIs.to);
  for (int64_t r = 0; r < height; ++r) {
    const int64_t row = first + r;
    const int64_t out_at = rows.g * is.out.stride[0] + row * is.out.stride[1] + group.column;
    const int zero = row_zero_of(is, rows.g, row);
    const float row_scale = row_scale_of(is, rows.g, row);
    for_each_lanes(group.columns, [&](int64_t i, int64_t left) {
      i16 sum = load_ints(Element::I32, scratch.sums, r * group.wide() + i);
      if (has_row_zero()) sum -= load_ints(Element::I32, scratch.column_sums, i) * splat(zero);
      if (has_column_zero()) {
        const i16 zeros = column_zeros_of(is, rows.g, group.column + i, left);
        sum += zeros * splat(terms * zero - scratch.row_sums[row]);
      }
      if (!kIs.scaled) return store_sums(is, out_at + i, left, sum);
      const v16 scale = splat(row_scale) * column_scales_of(is, group.column + i, left);
      store16(Element::F32, scratch.row, i, convert<v16>(sum) * scale);
    });
    if (!kIs.scaled) continue;
    RowEnd to{.bias = is.bias == nullptr ? nullptr : is.bias->data,
              .bias_at = group.column,
              .residual = nullptr,
              .residual_at = 0,
              .out = to_bytes ? scratch.row : is.out.data,
              .out_at = to_bytes ? 0 : out_at};
    if (is.residual != nullptr) {
      to.residual = is.residual->data;
      to.residual_at =
          rows.g * is.residual->stride[0] + row * is.residual->stride[1] + group.column;
    }
    finish_row(kIs.end, to, scratch.row, group.columns);
    if (to_bytes) quantize_row(scratch.row, group.columns, is.out.data, out_at);
  }
}

// `next` begins where the group after this one does, or is the first again.
void run_group(const Operands& is, const Rows& rows, const Group& group, int64_t next,
               const MatMulIntegerScratch& sizes, const Scratch& scratch) {
  const BytePanels from = panels_of_group(is, rows.g, group);
  write_byte_panels(from, sizes.terms, scratch.b);
  if (has_row_zero()) sum_columns(scratch.b, sizes.terms, group.panels, scratch.column_sums);
  Ahead ahead{reinterpret_cast<const char*>(from.first) + next - group.column, is.b.stride[1],
              is.b.size[1], group.columns};
  const int64_t fetches = ahead.rows * largest_strip().rows / rows.count + 1;
  for_each_strip(rows.count, [&](int64_t row, int64_t height) {
    ahead.fetch(fetches);
    multiply_bytes({height, group.panels}, {.a = rows.first + row * rows.stride,
                                            .row_stride = rows.stride,
                                            .b = scratch.b,
                                            .terms = sizes.terms,
                                            .sums = scratch.sums,
                                            .sums_stride = group.wide()});
    finish_rows(is, rows, group, row, height, scratch);
  });
}

}  // namespace

extern "C" void matmul_integer(const VertexOperand* operands, void* memory) {
  const Operands is = operands_of(operands);
  const bool copies_a = kIs.a == Element::I8 || is.a.size[2] % 4 != 0;
  const MatMulIntegerScratch sizes(is.a.size[1], is.a.size[2], copies_a);
  const Scratch scratch(memory, sizes);
  const int64_t n = is.b.size[2];
  for (int64_t g = 0; g < is.a.size[0]; ++g) {
    const Rows rows = take_rows(is, g, sizes, scratch);
    for (int64_t column = 0, wide = 0; column < n; column += wide) {
      const int64_t left = n - column;
      const int64_t panels = strip_panels(panels_of(left));
      wide = panels * kLanes;
      const int64_t next = wide < left ? column + wide : 0;
      run_group(is, rows, {column, wide < left ? wide : left, panels}, next, sizes, scratch);
    }
  }
}
