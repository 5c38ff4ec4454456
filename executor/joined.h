// SPDX-License-Identifier: Apache-2.0
// Vertices joined across tiles. The Program cuts a superstep's work for the tiles of an IPU, which
// is finer than suits a host, and differently on every target. Codelets say along which dimensions
// vertices do not depend on each other (Extents): there the boxes of neighbouring vertices become
// one box, and its bits do not change. The work of the superstep is left, without tiles.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "codelets/codelet.h"
#include "program/boxes.h"
#include "program/program.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

struct JoinedOperand {
  VariableId variable = -1;
  DType dtype = DType::F32;
  bool writes = false;
  Shape view;
  Box box;
  std::string letters;  // Extents, by dimension
};

// One call's worth of work: a codelet over boxes of any size.
struct JoinedVertex {
  const Codelet* codelet = nullptr;
  std::vector<Param> params;
  std::vector<JoinedOperand> operands;

  VertexShape shape() const;  // refers to params
};

// As few vertices as the codelet allows, in the order of the grid. They differ only in boxes.
// `memory` is asked for them and their pieces (pieces.h) before they are made.
Expected<std::vector<JoinedVertex>> join_vertices(const Program& program, const ComputeSet& set,
                                                  Budget& memory);

// A matmul whose sum is cut over tiles, and the reduce_partials that adds the parts, as one vertex:
// each part is rounded as the partials' type holds it, but no partial goes to memory. `product` and
// `sum` are the joined vertices of two supersteps; nothing but `sum` may read the partials. Empty
// where they are anything else.
std::vector<JoinedVertex> join_partials(const std::vector<JoinedVertex>& product,
                                        const std::vector<JoinedVertex>& sum);

}  // namespace tessera
