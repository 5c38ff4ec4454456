// SPDX-License-Identifier: Apache-2.0
// A group of elementwise nodes as the elementwise codelet's tape: rows of (opcode, a, b, c) over
// registers, of which the first are the inputs, then the constants, then one a row.
#pragma once

#include <vector>

#include "compiler/lower/fuse.h"
#include "program/program.h"

namespace tessera {

struct TapeProgram {
  std::vector<const Node*> inputs;  // registers 0 …
  std::vector<double> constants;
  std::vector<double> rows;  // four numbers each
  bool integer = false;
  std::vector<Param> params() const;
};

TapeProgram write_tape(const TapeGroup& group);

}  // namespace tessera
