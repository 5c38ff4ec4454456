// SPDX-License-Identifier: Apache-2.0
#include "cost/arrangement.h"

#include <algorithm>

#include "codelets/charges.h"
#include "codelets/codelet.h"
#include "cost/exchange.h"
#include "program/boxes.h"
#include "support/check.h"
#include "support/math.h"

namespace tessera {
namespace {

constexpr int64_t kGroup = 16;

const Codelet& codelet_of(const ComputeSet& set) {
  const Codelet* codelet = find_codelet(set.codelet);
  CHECK(codelet != nullptr);  // verify_program has asked
  return *codelet;
}

// The arrangement of the largest input (the first, on a tie); operands that are broadcast follow
// it.
Arrangement kept(const Program& program, const ComputeSet& set,
                 const std::vector<Arrangement>& written) {
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

Arrangement made_by(const Program& program, const ComputeSet& set,
                    const std::vector<Arrangement>& written) {
  switch (codelet_of(set).writes) {
    case Written::Rows: return Arrangement::Rows;
    case Written::Groups: return Arrangement::Groups;
    case Written::Kept: return kept(program, set, written);
  }
  return Arrangement::Rows;
}

// Contiguous bytes of each run when operand `i` is rearranged for this codelet; 0 if it need not
// be.
int64_t run_bytes(const Codelet& codelet, size_t i, Arrangement written, DType dtype) {
  if (written == Arrangement::Any || i >= codelet.reads.size()) return 0;
  const int64_t item = size_of(dtype);
  const char wanted = codelet.reads[i];
  if (wanted == 'T') return item;
  // The matrix unit takes fp8 in groups of twice as many, which no vertex writes.
  if (wanted == 'G' && is_fp8(dtype)) return kGroup * item;
  const bool lies_so = written == (wanted == 'G' ? Arrangement::Groups : Arrangement::Rows);
  return lies_so ? 0 : kGroup * item;
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
    const Arrangement made = made_by(program, set, written);
    for (const Operand& operand : set.operands)
      if (operand.writes) written[static_cast<size_t>(operand.region.variable)] = made;
  }
  return written;
}

namespace {

// An operand that is copied before: a tile's even share of it.
struct Copied {
  DType dtype;
  int64_t run, bytes;
};

std::vector<Copied> copies_of(const Program& program, const Superstep& step,
                              const std::vector<Arrangement>& written) {
  const ComputeSet& set = step.compute;
  const Codelet& codelet = codelet_of(set);
  std::vector<Copied> copies;
  for (size_t i = 0; i < set.operands.size(); ++i) {
    const Operand& operand = set.operands[i];
    const auto id = static_cast<size_t>(operand.region.variable);
    if (operand.writes) continue;
    const DType dtype = program.variables[id].dtype;
    const int64_t run = run_bytes(codelet, i, written[id], dtype);
    if (run == 0) continue;
    const int64_t bytes = covered(operand.region, set.grid) * size_of(dtype);
    const int64_t tiles = ipus_of(set.grid, program.target).size() * program.target.tiles;
    copies.push_back({dtype, run, ceil_div(bytes, tiles)});
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
    total += (copy.run == item ? transpose_cycles(copy.bytes / item, copy.dtype)
                               : rearrange_cycles(copy.bytes, copy.run)) +
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
