// SPDX-License-Identifier: Apache-2.0
// The Program: what every tile does, superstep by superstep.
//
// A superstep is one exchange and then one compute set. A compute set is one codelet run as a grid
// of vertices, at most one vertex on a tile: vertex number k of the grid (row-major) runs on tile
// first + k, unless the grid is dealt out to several IPUs. A vertex reads and writes boxes of
// variables, given as a function of its grid position, so that a whole compute set is a few
// lines of text whatever the number of tiles.
//
// A compute set writes all of a variable, or the next slice of it along the first dimension of the
// operand's view: a matmul whose rows are done in turn writes its result so. Only what is complete
// may be read.
//
// A vertex sees its own tile only. An operand it reads is either mapped to its tile, or a transfer
// of the same superstep delivers it there; what it writes is mapped to its tile. verify_program
// proves this for every vertex, so that the executor may run over shared host memory.
//
// Plain data, built once by the compiler and constant after; share freely between threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "program/target.h"
#include "support/type.h"

namespace tessera {

using VariableId = int32_t;  // index into Program::variables

// How a grid of blocks or vertices is dealt out to several IPUs: of the positions on one axis, the
// first `each` are the first IPU's, the next `each` the next one's. An IPU's part is row-major on
// tiles that follow each other, on each IPU on those that stand where the first IPU's do.
struct Deal {
  int32_t axis =
      -1;            // -1: the grid is not dealt out, and lies row-major on tiles from the first on
  int64_t each = 0;  // fewer than there are positions
  int64_t stride = 0;  // tiles from an IPU's to the next one's: those of an IPU
  bool operator==(const Deal&) const = default;
};

// How a variable's elements lie over the tiles: its row-major elements seen as `view`, each
// dimension cut into blocks (the last may be short), block number k (row-major over the blocks) on
// tile first + k, or where the deal says. A single block is a variable on one tile.
struct Mapping {
  Shape view;                  // same element count as the variable
  std::vector<int64_t> block;  // per dimension of view, >= 1
  TileId first;
  Deal deal = {};
  bool operator==(const Mapping&) const = default;
};

enum class VariableKind : uint8_t {
  Input,       // written by the host before each run
  Output,      // read by the host after each run
  Constant,    // loaded once; Program::constants holds where its bytes are
  Activation,  // written and read by compute sets
};

struct Variable {
  // Unique. Inputs and outputs: the anchor's name, but for an output that has an input's.
  std::string name;
  DType dtype = DType::F32;
  Shape shape;
  VariableKind kind = VariableKind::Activation;
  Mapping mapping;
  int32_t constant =
      -1;  // Constant: its number among the constants, whose bytes are in the tensor data (popef.h)

  int64_t bytes() const { return elements(shape) * size_of(dtype); }
};

// One dimension of a region: at position g on grid axis `axis` it covers
// [offset + g * step, offset + g * step + size), clipped to the view's extent.
struct RegionDim {
  int32_t axis = -1;  // -1: does not move
  int64_t offset = 0;
  int64_t step = 0;
  int64_t size = 0;
  bool operator==(const RegionDim&) const = default;
};

// A box of a variable for every grid position.
struct Region {
  VariableId variable = -1;
  Shape view;                   // same element count as the variable, row-major
  std::vector<RegionDim> dims;  // one per dimension of view
  bool operator==(const Region&) const = default;
};

// Vertices in a row-major grid; vertex k runs on tile first + k, or where the deal says.
struct VertexGrid {
  std::vector<int64_t> extent;
  TileId first;
  Deal deal = {};
  bool operator==(const VertexGrid&) const = default;
};

// For every grid position, the region goes to the tile of that vertex, and stays there until the
// superstep ends. Elements that lie on that tile already do not travel.
struct Transfer {
  Region region;
  VertexGrid grid;
  bool operator==(const Transfer&) const = default;
};

struct Operand {
  Region region;
  bool writes = false;  // else reads. A vertex never reads what the same compute set writes.
  bool operator==(const Operand&) const = default;
};

// A named constant that specialises a codelet: numbers only.
struct Param {
  std::string name;
  std::vector<double> values;
  bool operator==(const Param&) const = default;
};

struct ComputeSet {
  std::string codelet;        // a row of codelets/codelets.def
  std::vector<Param> params;  // what the codelet's row asks for, in its order
  VertexGrid grid;
  std::vector<Operand> operands;  // in the codelet's order
};

struct Superstep {
  std::string name;                 // unique: "layer0/query/matmul"
  std::vector<std::string> origin;  // ONNX nodes
  // The pipeline's stage: stages work at the same time, each on a batch of its own. All 0: none.
  int64_t stage = 0;
  std::vector<Transfer> exchange;
  ComputeSet compute;
};

// How batches come and go. The host starts the engine once for every `batches_per_step` of them.
struct HostIo {
  int64_t batches_per_step = 1;
  // Tiles beside the target's own that do nothing but hold streams: with some, a batch computes
  // while the one before leaves and the next arrives. 0: all tiles compute, and wait for streams.
  int64_t io_tiles = 0;
  bool prefetch = true;  // the host fills a stream before it is asked for
  bool operator==(const HostIo&) const = default;
};

// Weights travel in `load`, once; `main` is one batch: host copies in, supersteps, host copies out.
struct Program {
  std::string name;
  Target target;
  HostIo host;
  std::vector<Variable> variables;
  std::vector<VariableId> inputs;   // in the model's order
  std::vector<VariableId> outputs;  // in the model's order
  std::vector<Superstep> supersteps;
};

// Stages of its pipeline; 1: it has none.
int64_t stage_count(const Program& program);

}  // namespace tessera
