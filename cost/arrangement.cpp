// SPDX-License-Identifier: Apache-2.0
#include "cost/arrangement.h"

#include <algorithm>
#include <string_view>

#include "codelets/charges.h"
#include "cost/exchange.h"

namespace tessera {
namespace {

constexpr int64_t kGroup = 16;

bool is_product(std::string_view codelet) {
  return codelet == "matmul" || codelet == "attention" || codelet == "reduce_partials";
}

bool wants_rows(std::string_view codelet) {
  return codelet == "layer_norm" || codelet == "rms_norm" || codelet == "softmax";
}

// A codelet that is neither a product nor row-wise keeps the arrangement of its largest input (the
// first, on a tie); operands that are broadcast follow it.
Arrangement kept(const Program& program, const ComputeSet& set,
                 const std::vector<Arrangement>& written) {
  const bool keeps = set.codelet == "elementwise" || set.codelet == "rotary" ||
                     set.codelet == "pack" || set.codelet == "unpack";
  if (!keeps) return Arrangement::Rows;
  Arrangement kept = Arrangement::Rows;
  int64_t largest = 0;
  for (const Operand& operand : set.operands) {
    const auto id = static_cast<size_t>(operand.region.variable);
    const Shape& shape = program.variables[id].shape;
    if (operand.writes || written[id] == Arrangement::Any || shape.size() <= 1) continue;
    if (elements(shape) <= largest) continue;
    largest = elements(shape);
    kept = written[id];
  }
  return kept;
}

// Contiguous bytes of each piece when operand `i` is rearranged for this codelet; 0 if it need not
// be.
int64_t piece_bytes(std::string_view codelet, size_t i, Arrangement written, DType dtype) {
  if (written == Arrangement::Any) return 0;
  const int64_t item = size_of(dtype);
  if (codelet == "attention" && i == 2) return item;  // the values: turned
  if (codelet == "attention" || codelet == "matmul")
    return i < 2 && written == Arrangement::Rows ? kGroup * item : 0;
  const bool is_matrix = i == 0 || (codelet != "softmax" && i == 1);
  return wants_rows(codelet) && is_matrix && written == Arrangement::Groups ? kGroup * item : 0;
}

// Elements of the variable that the operand covers over the whole grid.
int64_t covered(const Region& region, const VertexGrid& grid) {
  int64_t count = 1;
  for (size_t d = 0; d < region.dims.size(); ++d) {
    const RegionDim& dim = region.dims[d];
    const int64_t last = dim.axis < 0 ? 0 : grid.extent[static_cast<size_t>(dim.axis)] - 1;
    const int64_t end = std::min(region.view[d], dim.offset + last * dim.step + dim.size);
    count *= std::max<int64_t>(0, end - dim.offset);
  }
  return count;
}

}  // namespace

std::vector<Arrangement> written_arrangements(const Program& program) {
  std::vector<Arrangement> written(program.variables.size(), Arrangement::Rows);
  for (size_t id = 0; id < written.size(); ++id)
    if (program.variables[id].kind == VariableKind::Constant) written[id] = Arrangement::Any;
  for (const Superstep& step : program.supersteps) {
    const ComputeSet& set = step.compute;
    const Arrangement made = is_product(set.codelet)   ? Arrangement::Groups
                             : wants_rows(set.codelet) ? Arrangement::Rows
                                                       : kept(program, set, written);
    for (const Operand& operand : set.operands)
      if (operand.writes) written[static_cast<size_t>(operand.region.variable)] = made;
  }
  return written;
}

namespace {

// An operand that is copied before: a tile's even share of it.
struct Copied {
  DType dtype;
  int64_t piece, bytes;
};

std::vector<Copied> copies_of(const Program& program, const Superstep& step,
                              const std::vector<Arrangement>& written) {
  const ComputeSet& set = step.compute;
  std::vector<Copied> copies;
  for (size_t i = 0; i < set.operands.size(); ++i) {
    const Operand& operand = set.operands[i];
    const auto id = static_cast<size_t>(operand.region.variable);
    if (operand.writes) continue;
    const DType dtype = program.variables[id].dtype;
    const int64_t piece = piece_bytes(set.codelet, i, written[id], dtype);
    if (piece == 0) continue;
    const int64_t bytes = covered(operand.region, set.grid) * size_of(dtype);
    copies.push_back({dtype, piece, (bytes + program.target.tiles - 1) / program.target.tiles});
  }
  return copies;
}

}  // namespace

Cycles arrange_cycles(const Program& program, const Superstep& step,
                      const std::vector<Arrangement>& written) {
  const Target& target = program.target;
  Cycles total;
  for (const Copied& copy : copies_of(program, step, written)) {
    TileExchange moved;
    moved.received_bytes = moved.sent_bytes = copy.bytes;
    const int64_t item = size_of(copy.dtype);
    total += (copy.piece == item ? turn_cycles(copy.bytes / item, copy.dtype)
                                 : rearrange_cycles(copy.bytes, copy.piece)) +
             exchange_cycles(moved, target) + launch_cycles(2, target);
  }
  return total;
}

int64_t arranged_bytes(const Program& program, const Superstep& step,
                       const std::vector<Arrangement>& written) {
  int64_t bytes = 0;
  for (const Copied& copy : copies_of(program, step, written)) bytes += copy.bytes;
  return bytes;
}

}  // namespace tessera
