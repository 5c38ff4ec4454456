// SPDX-License-Identifier: Apache-2.0
// A superstep as the isolated machine runs it tile by tile: its kernels, and its operands' regions
// as tables. Both are worked out once, when its Program loads.
//
// A region moves along grid axes, one dimension at a time, so the whole grid is described by small
// tables: for each dimension of each operand, its range by coordinate on the axis that it follows.
// Vertices whose operands have the same sizes are of one class, and share a kernel.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codelets/codelet.h"
#include "executor/jit.h"
#include "program/boxes.h"
#include "program/program.h"
#include "support/expected.h"

namespace tessera {

struct LoadedOperand {
  struct Dim {
    int32_t axis = -1;      // -1: does not move
    int64_t stride = 0;     // of the view, in elements
    std::vector<Range> at;  // by coordinate on the axis; one entry where it does not move
  };
  VariableId variable = -1;
  bool writes = false;
  int64_t element_bytes = 0;
  std::vector<Dim> dims;

  const Range& range(size_t dim, const Position& position) const {
    const Dim& d = dims[dim];
    return d.at[d.axis < 0 ? 0 : static_cast<size_t>(position[static_cast<size_t>(d.axis)])];
  }
};

struct VertexClass {
  Kernel kernel;
  int64_t scratch_bytes = 0;
};

struct LoadedStep {
  const Superstep* step = nullptr;
  VertexGrid grid;
  int64_t vertices = 0;
  std::vector<LoadedOperand> operands;
  std::vector<VertexClass> classes;
  std::vector<int32_t> class_of;  // by vertex

  const VertexClass& vertex_class(int64_t vertex) const {
    return classes[static_cast<size_t>(class_of[static_cast<size_t>(vertex)])];
  }
};

// One for each superstep, kernels compiled by `jit` on `threads` threads; they live as long as the
// jit and the program do.
Expected<std::vector<LoadedStep>> load_steps(const Program& program, Jit& jit, int threads,
                                             const Limits& limits, const Deadline& deadline);

}  // namespace tessera
