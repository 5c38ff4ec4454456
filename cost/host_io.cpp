// SPDX-License-Identifier: Apache-2.0
#include "cost/host_io.h"

#include <algorithm>
#include <vector>

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

}  // namespace

int64_t stream_bytes(const Program& program) {
  std::vector<int64_t> of_ipu(static_cast<size_t>(program.target.ipus));
  for (const auto* ids : {&program.inputs, &program.outputs})
    for (VariableId id : *ids) {
      const Variable& variable = program.variables[static_cast<size_t>(id)];
      const int64_t ipu = program.target.ipu_of(variable.mapping.first.value);
      of_ipu[static_cast<size_t>(ipu)] += variable.bytes();
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
  return tiles == 0 ? 0 : 2 * ((stream_bytes(program) + tiles - 1) / tiles);
}

}  // namespace tessera
