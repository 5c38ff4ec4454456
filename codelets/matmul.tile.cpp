// SPDX-License-Identifier: Apache-2.0
// matmul: out[g,m,n] = activation(a · b + bias) + residual, sums in f32 over the terms in order.
//
// b comes as panels, a as f32 rows (as it is, where it is f32). As many panels as the second-level
// cache holds are one block; all rows pass by it in strips, and a strip stays in the first-level
// cache while the panels of the block pass by. A strip's sums leave the registers once, through the
// epilogue, row by row.
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

// Rows by panels of matrix g.
struct Piece {
  int64_t g, row, rows, panel, panels;
};

void run_strip(const Operands& is, const Piece& piece) {
  alignas(64) float sums[kMaxStripRows * kMaxStripPanels * kLanes];
  const int64_t terms = is.a.size[2];
  const int64_t n = is.b.size[2];
  const int64_t panel_stride = terms * kLanes;
  const int64_t b_panel = (is.b.size[0] == 1 ? 0 : piece.g * panels_of(n)) + piece.panel;
  const float* b = static_cast<const float*>(is.b.data) + b_panel * panel_stride;
  const float* a = static_cast<const float*>(is.a.data) + piece.g * matrix_stride(is.a) +
                   piece.row * row_stride(is.a);
  const Parts groups(piece.panels, largest_strip().panels);
  int64_t column = piece.panel * kLanes;
  for (int64_t i = 0; i < groups.count; ++i) {
    const int64_t wide = groups[i] * kLanes;
    multiply({piece.rows, groups[i]}, {.a = a,
                                       .row_stride = row_stride(is.a),
                                       .b = b,
                                       .panel_stride = panel_stride,
                                       .terms = terms,
                                       .sums = sums,
                                       .sums_stride = wide,
                                       .resume = false});
    const int64_t columns = wide < n - column ? wide : n - column;
    finish_block(is, {piece.g, piece.row, piece.rows, column, columns}, sums, wide);
    b += groups[i] * panel_stride;
    column += wide;
  }
}

// Panels of b that stay in the second-level cache.
int64_t panels_of_block(int64_t terms) {
  constexpr int64_t kBlockFloats = 96 * 1024;
  const int64_t fitting = kBlockFloats / (terms * kLanes);
  const int64_t least = largest_strip().panels;
  return fitting < least ? least : fitting;
}

}  // namespace

extern "C" void matmul(const VertexOperand* operands, void*) {
  const Operands is = operands_of(operands);
  const Parts strips(is.a.size[1], largest_strip().rows);
  const Parts blocks(panels_of(is.b.size[2]), panels_of_block(is.a.size[2]));
  for (int64_t g = 0; g < is.a.size[0]; ++g) {
    int64_t panel = 0;
    for (int64_t block = 0; block < blocks.count; panel += blocks[block++]) {
      int64_t row = 0;
      for (int64_t strip = 0; strip < strips.count; row += strips[strip++]) {
        run_strip(is, {g, row, strips[strip], panel, blocks[block]});
      }
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
