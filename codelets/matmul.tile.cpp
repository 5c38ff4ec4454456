// SPDX-License-Identifier: Apache-2.0
// matmul: out[g,m,n] = activation(a · b + bias) + residual, sums in f32 over the terms in order.
//
// A block of a's rows becomes f32 once. Then group after group of b's columns becomes f32 panels,
// and all rows pass by them in strips. So each element is converted once for hundreds of products,
// b may lie in memory as the file has it, and what is multiplied comes from near caches. Rows that
// equal the row before, as those of a packed batch that hold no request do, are multiplied once.
//
// Floats of 8 bits take the power of two of both operands with a's rows: it is exact there, and so
// are all products. Their sums are those of the same numbers in f16 or f32.
//
// Where the sum is cut into parts (matmul.h), a part's sum is rounded, and the parts are added in
// order: what a matmul with partials and reduce_partials compute.
#include "codelets/matmul.h"

#include "codelets/ahead.tile.h"
#include "codelets/constants.h"
#include "codelets/epilogue.tile.h"
#include "codelets/strip.tile.h"

using namespace tessera;

extern "C" const MatMulConstants matmul_constants;

namespace {

static_assert(kMaxStripPanels * kLanes <= MatMulScratch::kGroup);
static_assert(kMaxStripRows == kMatMulStrip);

struct Operands {
  const VertexOperand &a, &b, *bias, *residual, &out;
};

Operands operands_of(const VertexOperand* operands) {
  const EpilogueConstants& end = matmul_constants.end;
  const VertexOperand* next = operands + 2;
  const VertexOperand* bias = end.has_bias ? next++ : nullptr;
  const VertexOperand* residual = end.has_residual ? next++ : nullptr;
  return {operands[0], operands[1], bias, residual, *next};
}

struct Scratch {
  float *a, *b, *totals;
  int64_t* first_row;

  Scratch(void* memory, const MatMulScratch& is)
      : a(static_cast<float*>(memory) + is.a),
        b(static_cast<float*>(memory) + is.b),
        totals(static_cast<float*>(memory) + is.totals),
        first_row(reinterpret_cast<int64_t*>(static_cast<float*>(memory) + is.first_rows)) {}
};

// Rows of matrix g; and of those, in scratch, the distinct ones: number u stands for the rows from
// first_row[u] to first_row[u + 1], counted from `row`.
struct Rows {
  int64_t g, row, count, distinct;
};

template <class T>
bool equal_elements(const T* a, const T* b, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

bool equals_row_before(const VertexOperand& a, int64_t at) {
  if (is_fp8(matmul_constants.a)) {
    const auto* row = static_cast<const uint8_t*>(a.data) + at;
    return equal_elements(row, row - a.stride[1], a.size[2]);
  }
  if (matmul_constants.a == Element::F16) {
    const auto* row = static_cast<const uint16_t*>(a.data) + at;
    return equal_elements(row, row - a.stride[1], a.size[2]);
  }
  const auto* row = static_cast<const uint32_t*>(a.data) + at;
  return equal_elements(row, row - a.stride[1], a.size[2]);
}

// The row as f32, a run in each block of terms.
void take_row(const VertexOperand& a, int64_t at, int64_t number, const MatMulScratch& is,
              float* to) {
  const int64_t terms = a.size[2];
  for (int64_t begin = 0; begin < terms; begin += is.block_terms) {
    const int64_t left = terms - begin;
    const int64_t count = left < is.block_terms ? left : is.block_terms;
    float* const run = to + begin * is.rows + number * count;
    write_rows(matmul_constants.a, a.data, at + begin, 0, 1, count, run);
    if (!is_fp8(matmul_constants.a)) continue;
    for (int64_t i = 0; i < count; ++i) run[i] *= static_cast<float>(matmul_constants.a_factor);
  }
}

Rows take_rows(const Operands& is, int64_t g, int64_t row, const MatMulScratch& sizes,
               const Scratch& scratch) {
  const int64_t left = is.a.size[1] - row;
  Rows rows{g, row, left < sizes.rows ? left : sizes.rows, 0};
  for (int64_t r = 0; r < rows.count; ++r) {
    const int64_t at = g * is.a.stride[0] + (row + r) * is.a.stride[1];
    if (r > 0 && equals_row_before(is.a, at)) continue;
    take_row(is.a, at, rows.distinct, sizes, scratch.a);
    scratch.first_row[rows.distinct++] = r;
  }
  scratch.first_row[rows.distinct] = rows.count;
  return rows;
}

// Neighbouring panels of b.
struct Group {
  int64_t column, columns, panels;
  int64_t wide() const { return panels * kLanes; }
};

// Where the first of these distinct rows begins in `of`, which has b's columns.
int64_t row_at(const VertexOperand& of, const Rows& rows, const Group& group,
               const Scratch& scratch, int64_t first) {
  const int64_t row = rows.row + scratch.first_row[first];
  return rows.g * of.stride[0] + row * of.stride[1] + group.column;
}

// Brings lines of `of` nearer that distinct rows [first, end) will read or write.
template <int Write>
void fetch_rows(const VertexOperand& of, Element element, const Rows& rows, const Group& group,
                const Scratch& scratch, int64_t first, int64_t end) {
  const int64_t item = bytes_of(element);
  const char* row =
      static_cast<const char*>(of.data) + row_at(of, rows, group, scratch, first) * item;
  for (int64_t r = scratch.first_row[first]; r < scratch.first_row[end]; ++r) {
    fetch_lines<Write, 3>(row, group.columns * item);
    row += of.stride[1] * item;
  }
}

// Fetches ahead the cells that finish_rows is going to touch.
void fetch_end(const Operands& is, const Rows& rows, const Group& group, const Scratch& scratch,
               int64_t first, int64_t end) {
  const EpilogueConstants& of = matmul_constants.end;
  fetch_rows<1>(is.out, of.out, rows, group, scratch, first, end);
  if (is.residual == nullptr) return;
  fetch_rows<0>(*is.residual, of.residual, rows, group, scratch, first, end);
}

// Distinct rows [first, end): their sums become what the matmul writes.
void finish_rows(const Operands& is, const Rows& rows, const Group& group, const Scratch& scratch,
                 int64_t first, int64_t end) {
  RowEnd to{.bias = is.bias == nullptr ? nullptr : is.bias->data,
            .bias_at = group.column,
            .residual = nullptr,
            .residual_at = 0,
            .out = is.out.data,
            .out_at = row_at(is.out, rows, group, scratch, first)};
  if (is.residual != nullptr) {
    to.residual = is.residual->data;
    to.residual_at = row_at(*is.residual, rows, group, scratch, first);
  }
  for (int64_t u = first; u < end; ++u) {
    const float* const totals = scratch.totals + u * group.wide();
    for (int64_t r = scratch.first_row[u]; r < scratch.first_row[u + 1]; ++r) {
      finish_row(matmul_constants.end, to, totals, group.columns);
      to.out_at += is.out.stride[1];
      if (is.residual != nullptr) to.residual_at += is.residual->stride[1];
    }
  }
}

// The sum of a part is as the partials' type holds it.
struct SumInParts {
  TILE_INLINE static bool apart() { return matmul_constants.part_terms != 0; }
  TILE_INLINE static v16 rounded(v16 sum) {
    if (matmul_constants.part == Element::F32) return sum;
    return __builtin_convertvector(__builtin_convertvector(sum, h16), v16);
  }
};

// The block of b that comes next. Its rows lie further apart than the host's own prefetching looks.
Ahead ahead_of(const VertexOperand& b, int64_t at, int64_t rows, int64_t columns) {
  const int64_t item = bytes_of(matmul_constants.b);
  return {static_cast<const char*>(b.data) + at * item, b.stride[1] * item, rows, columns * item};
}

using Matrix = MatrixColumns<&matmul_constants.b>;

// Terms begin .. begin + terms of all rows, into their totals; with the last terms a strip is done,
// while its sums are near. The block of b becomes panels with the first strip.
void multiply_block(const Operands& is, const Rows& rows, const Group& group, int64_t begin,
                    int64_t terms, const Matrix& b, Ahead ahead, const MatMulScratch& sizes,
                    const Scratch& scratch) {
  const bool last = begin + terms == is.a.size[2];
  const int64_t fetches = ahead.rows * largest_strip().rows / rows.distinct + 1;
  for_each_strip(rows.distinct, [&](int64_t row, int64_t height) {
    if (matmul_constants.prefetch) ahead.fetch(fetches);
    if (last) fetch_end(is, rows, group, scratch, row, row + height);
    const StripSize size{height, group.panels};
    const Strip strip{.a = scratch.a + begin * sizes.rows + row * terms,
                      .row_stride = terms,
                      .b = scratch.b,
                      .panel_stride = terms * kLanes,
                      .terms = terms,
                      .sums = scratch.totals + row * group.wide(),
                      .sums_stride = group.wide(),
                      .more = begin > 0};
    if (row == 0) {
      multiply_first<SumInParts>(size, strip, b, group.columns);
    } else {
      multiply<SumInParts>(size, strip);
    }
    if (last) finish_rows(is, rows, group, scratch, row, row + height);
  });
}

// `next` begins where the group after this one does, or is the first again.
void run_group(const Operands& is, const Rows& rows, const Group& group, int64_t next,
               const MatMulScratch& sizes, const Scratch& scratch) {
  const int64_t all = is.a.size[2];
  const int64_t matrix = is.b.size[0] == 1 ? 0 : rows.g * is.b.stride[0];
  for (int64_t begin = 0; begin < all; begin += sizes.block_terms) {
    const int64_t end = begin + sizes.block_terms < all ? begin + sizes.block_terms : all;
    const auto b_at = [&](int64_t term, int64_t column) {
      return matrix + term * is.b.stride[1] + column;
    };
    const int64_t after = all - end < sizes.block_terms ? all - end : sizes.block_terms;
    const Ahead ahead = end < all ? ahead_of(is.b, b_at(end, group.column), after, group.columns)
                                  : ahead_of(is.b, b_at(0, next), sizes.block_terms, group.columns);
    const Matrix b{is.b.data, b_at(begin, group.column), is.b.stride[1]};
    multiply_block(is, rows, group, begin, end - begin, b, ahead, sizes, scratch);
  }
}

}  // namespace

extern "C" void matmul(const VertexOperand* operands, void* memory) {
  const Operands is = operands_of(operands);
  const MatMulBlocks most{matmul_constants.rows, matmul_constants.terms};
  const MatMulScratch sizes(is.a.size[1], is.a.size[2], matmul_constants.part_terms, most);
  const Scratch scratch(memory, sizes);
  const int64_t n = is.b.size[2];
  for (int64_t g = 0; g < is.a.size[0]; ++g) {
    for (int64_t row = 0; row < is.a.size[1]; row += sizes.rows) {
      const Rows rows = take_rows(is, g, row, sizes, scratch);
      for (int64_t column = 0, wide = 0; column < n; column += wide) {
        const int64_t left = n - column;
        const int64_t panels = strip_panels(panels_of(left));
        wide = panels * kLanes;
        const int64_t next = wide < left ? column + wide : 0;
        run_group(is, rows, {column, wide < left ? wide : left, panels}, next, sizes, scratch);
      }
    }
  }
}
