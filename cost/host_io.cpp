// SPDX-License-Identifier: Apache-2.0
#include "cost/host_io.h"

#include <algorithm>
#include <set>
#include <vector>

#include "codelets/codelet.h"
#include "codelets/elementwise.h"
#include "program/boxes.h"
#include "support/math.h"

namespace tessera {
namespace {

// Between I/O tiles and the others, once in and once out: each I/O tile sends or receives its
// share.
double inner_copy_seconds(const Program& program) {
  const Target& target = program.target;
  const double shares = static_cast<double>(stream_bytes(program)) /
                        static_cast<double>(program.host.io_tiles) /
                        static_cast<double>(target.exchange_bytes_per_cycle);
  const auto steps = static_cast<double>(2 * (target.sync_cycles + target.setup_cycles));
  return (shares + steps) / target.clock_hz;
}

// A cast between f32 and f16 and nothing else: a tape that returns its one input.
bool is_cast(const Program& program, const ComputeSet& set) {
  if (set.operands.size() != 2) return false;
  const auto dtype_of = [&](const Operand& operand) {
    return program.variables[static_cast<size_t>(operand.region.variable)].dtype;
  };
  const DType from = dtype_of(set.operands[0]), to = dtype_of(set.operands[1]);
  if (!is_float(from) || !is_float(to) || from == to) return false;
  constexpr auto kChoice = static_cast<double>(Tape::Select);  // of x or x, which is x
  const std::vector<double>* tape = find_param(set.params, "tape");
  return tape != nullptr && *tape == std::vector<double>{kChoice, 0, 0, 0};
}

// The f32 variables of which the tiles have only a cast to or from f16: where the model is in f16,
// PopRT's streams are.
std::set<VariableId> cast_variables(const Program& program) {
  std::set<VariableId> cast, others;
  for (const Superstep& step : program.supersteps) {
    const bool casts = is_cast(program, step.compute);
    for (const Operand& operand : step.compute.operands) {
      const VariableId id = operand.region.variable;
      if (program.variables[static_cast<size_t>(id)].dtype != DType::F32) continue;
      (casts ? cast : others).insert(id);
    }
  }
  for (const VariableId id : others) cast.erase(id);
  return cast;
}

std::vector<int64_t> bytes_by_ipu(const Variable& variable, const Target& target) {
  std::vector<int64_t> bytes(static_cast<size_t>(target.ipus));
  for (int64_t k = 0; k < block_count(variable.mapping); ++k)
    bytes[static_cast<size_t>(target.ipu_of(tile_of(variable.mapping, k)))] +=
        elements(block_at(variable.mapping, k)) * size_of(variable.dtype);
  return bytes;
}

}  // namespace

int64_t stream_bytes(const Program& program) {
  const std::set<VariableId> halves = cast_variables(program);
  std::vector<int64_t> of_ipu(static_cast<size_t>(program.target.ipus));
  for (const auto* ids : {&program.inputs, &program.outputs})
    for (VariableId id : *ids) {
      const Variable& variable = program.variables[static_cast<size_t>(id)];
      const std::vector<int64_t> bytes = bytes_by_ipu(variable, program.target);
      for (size_t ipu = 0; ipu < bytes.size(); ++ipu)
        of_ipu[ipu] += bytes[ipu] / (halves.contains(id) ? 2 : 1);
    }
  return *std::ranges::max_element(of_ipu);
}

double host_seconds(const Program& program, double compute_seconds) {
  const Target& target = program.target;
  const HostIo& host = program.host;
  const auto batches = static_cast<double>(host.batches_per_step);
  const double start = target.host_run_seconds / batches;
  double stream = static_cast<double>(stream_bytes(program)) / target.host_bytes_per_second;
  if (!host.prefetch) stream *= 2;  // filled first, then sent
  if (host.io_tiles == 0) return start + stream;
  // The first batch of a step has nothing to hide behind.
  const double copy = inner_copy_seconds(program);
  const double seen = std::max(0.0, stream - compute_seconds - copy);
  return start + copy + (stream + (batches - 1) * seen) / batches;
}

int64_t io_tile_bytes(const Program& program) {
  const int64_t tiles = program.host.io_tiles;
  return tiles == 0 ? 0 : 2 * ceil_div(stream_bytes(program), tiles);
}

}  // namespace tessera
