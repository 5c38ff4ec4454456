// SPDX-License-Identifier: Apache-2.0
// matmul: out[g,m,n] = activation(a · b + bias) + residual, sums in f32 over the terms in order.
//
// b comes as panels, a as f32 rows (as it is, where it is f32). Rows are cut into equal strips and
// columns into equal groups of panels; a strip of a stays in the first-level cache while the panels
// pass by. A strip's sums leave the registers once, through the epilogue, row by row.
#include "codelets/matmul.h"

#include "codelets/epilogue.tile.h"
#include "codelets/strip.tile.h"

using namespace tessera;

extern "C" const MatMulConstants matmul_constants;

namespace {

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

// Where the prepared form is rows without gaps, or the operand itself.
int64_t row_stride(const VertexOperand& a) {
  return matmul_constants.a == Element::F16 ? a.size[2] : a.stride[1];
}
int64_t matrix_stride(const VertexOperand& a) {
  return matmul_constants.a == Element::F16 ? a.size[1] * a.size[2] : a.stride[0];
}

struct Block {
  int64_t g, row, rows, column, columns;
};

void finish_block(const Operands& is, const Block& block, const float* sums, int64_t sums_stride) {
  RowEnd end{.bias = nullptr,
             .bias_at = block.column,
             .residual = nullptr,
             .residual_at = 0,
             .out = is.out.data,
             .out_at = block.g * is.out.stride[0] + block.row * is.out.stride[1] + block.column};
  if (is.bias != nullptr) end.bias = is.bias->data;
  if (is.residual != nullptr) {
    end.residual = is.residual->data;
    end.residual_at =
        block.g * is.residual->stride[0] + block.row * is.residual->stride[1] + block.column;
  }
  for (int64_t r = 0; r < block.rows; ++r, sums += sums_stride) {
    finish_row(matmul_constants.end, end, sums, block.columns);
    end.out_at += is.out.stride[1];
    if (is.residual != nullptr) end.residual_at += is.residual->stride[1];
  }
}

// Rows [row, row + rows) of matrix g, all columns.
void run_strip(const Operands& is, int64_t g, int64_t row, int64_t rows) {
  alignas(64) float sums[kMaxStripRows * kMaxStripPanels * kLanes];
  const int64_t terms = is.a.size[2];
  const int64_t n = is.b.size[2];
  const int64_t panel_stride = terms * kLanes;
  const float* a =
      static_cast<const float*>(is.a.data) + g * matrix_stride(is.a) + row * row_stride(is.a);
  const int64_t b_matrix = is.b.size[0] == 1 ? 0 : g * panels_of(n) * panel_stride;
  const float* b = static_cast<const float*>(is.b.data) + b_matrix;
  const Parts groups(panels_of(n), largest_strip().panels);
  int64_t panel = 0;
  for (int64_t i = 0; i < groups.count; ++i) {
    const int64_t panels = groups[i];
    multiply({rows, panels}, a, row_stride(is.a), b + panel * panel_stride, panel_stride, terms,
             sums);
    const int64_t column = panel * kLanes;
    const int64_t columns = panels * kLanes < n - column ? panels * kLanes : n - column;
    finish_block(is, {g, row, rows, column, columns}, sums, panels * kLanes);
    panel += panels;
  }
}

}  // namespace

extern "C" void matmul(const VertexOperand* operands, void*) {
  const Operands is = operands_of(operands);
  const Parts strips(is.a.size[1], largest_strip().rows);
  for (int64_t g = 0; g < is.a.size[0]; ++g) {
    int64_t row = 0;
    for (int64_t i = 0; i < strips.count; ++i) {
      run_strip(is, g, row, strips[i]);
      row += strips[i];
    }
  }
}

extern "C" void matmul_prepare_0(const VertexOperand* operand, void* prepared) {
  const VertexOperand& a = *operand;
  float* to = static_cast<float*>(prepared);
  for (int64_t g = 0; g < a.size[0]; ++g, to += a.size[1] * a.size[2]) {
    write_rows(matmul_constants.a, a.data, g * a.stride[0], a.stride[1], a.size[1], a.size[2], to);
  }
}

extern "C" void matmul_prepare_1(const VertexOperand* operand, void* prepared) {
  const VertexOperand& b = *operand;
  float* to = static_cast<float*>(prepared);
  for (int64_t g = 0; g < b.size[0]; ++g, to += panels_of(b.size[2]) * kLanes * b.size[1]) {
    write_panels(matmul_constants.b, b.data, g * b.stride[0], b.stride[1], b.size[1], b.size[2],
                 to);
  }
}
