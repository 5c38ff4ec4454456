// SPDX-License-Identifier: Apache-2.0
#include "executor/tile_piece.h"

#include <cstring>

#include "executor/loaded_step.h"
#include "program/overlap.h"

namespace tessera {
namespace {

// The memory that make_piece will take.
int64_t piece_bytes(const Shape& view, const Box& box, int64_t element_bytes) {
  const int64_t runs = run_count(merge(view, box));
  return static_cast<int64_t>(sizeof(TilePiece)) +
         runs * static_cast<int64_t>(2 * sizeof(PieceRun)) + elements(box) * element_bytes;
}

}  // namespace

TilePiece make_piece(const Shape& view, const Box& box, int64_t element_bytes) {
  TilePiece piece;
  int64_t count = 0;
  for_each_run(view, box, [&](int64_t begin, int64_t end) {
    piece.runs.push_back({begin, end, count});
    count += end - begin;
  });
  piece.bytes.assign(static_cast<size_t>(count * element_bytes), kPoison);
  return piece;
}

int64_t copy_common(const TilePiece& from, TilePiece& to, int64_t element_bytes) {
  int64_t copied = 0;
  for_each_common(from, to, [&](int64_t source, int64_t target, int64_t count) {
    std::memcpy(to.bytes.data() + target * element_bytes,
                from.bytes.data() + source * element_bytes,
                static_cast<size_t>(count * element_bytes));
    copied += count;
  });
  return copied;
}

Status check_piece_memory(const Program& program, const Limits& limits, const Deadline& deadline) {
  const auto variable_of = [&](const Region& region) -> const Variable& {
    return program.variables[static_cast<size_t>(region.variable)];
  };
  Budget memory(limits, &Limits::memory);
  for (const Variable& v : program.variables) {
    int64_t bytes = 0;
    for (int64_t k = 0; k < block_count(v.mapping); ++k)
      bytes += piece_bytes(v.mapping.view, block_at(v.mapping, k), size_of(v.dtype));
    TRY(memory.spend(bytes, "loading its blocks"));
    TRY(deadline.check("loading its blocks"));
  }
  int64_t most = 0;
  for (const Superstep& step : program.supersteps) {
    int64_t delivered = 0, tables = 0;
    const auto add = [&](const Region& region, int64_t k, const VertexGrid& grid) {
      const Box box = box_at(region, grid_position(grid, k));
      return piece_bytes(region.view, box, size_of(variable_of(region).dtype));
    };
    for (const Transfer& transfer : step.exchange)
      for (int64_t k = 0; k < vertex_count(transfer.grid); ++k)
        delivered += add(transfer.region, k, transfer.grid);
    // The first vertex's boxes are as large as any.
    for (const Operand& operand : step.compute.operands) {
      delivered += 2 * add(operand.region, 0, step.compute.grid);
      tables += static_cast<int64_t>(sizeof(LoadedOperand));
      for (const RegionDim& dim : operand.region.dims) {
        const int64_t extent =
            dim.axis < 0 ? 1 : step.compute.grid.extent[static_cast<size_t>(dim.axis)];
        tables += static_cast<int64_t>(sizeof(LoadedOperand::Dim)) +
                  extent * static_cast<int64_t>(sizeof(Range));
      }
    }
    tables += vertex_count(step.compute.grid) *
              static_cast<int64_t>(sizeof(int32_t) + sizeof(VertexClass) + sizeof(size_t));
    TRY(memory.spend(tables, "loading its supersteps"));
    TRY(deadline.check("loading its supersteps"));
    most = std::max(most, delivered);
  }
  return memory.spend(most, "loading its exchanges");
}

}  // namespace tessera
