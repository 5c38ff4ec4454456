// SPDX-License-Identifier: Apache-2.0
// A batch waits beside its supersteps for the host that starts the engine, and for its streams.
// Formulas and sources: docs/model.md.
#pragma once

#include <cstdint>

#include "program/program.h"

namespace tessera {

// Bytes of the inputs and outputs of a batch, of the IPU that has most of them: each IPU has its
// own way to the host.
int64_t stream_bytes(const Program& program);

// Seconds of a batch that its `compute_seconds` do not hide, by Program::host.
double host_seconds(const Program& program, double compute_seconds);

// Bytes on each I/O tile: its share of a batch's streams, twice, for the batch that leaves or
// arrives while another is moved. 0 without I/O tiles.
int64_t io_tile_bytes(const Program& program);

}  // namespace tessera
