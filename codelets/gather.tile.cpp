// SPDX-License-Identifier: Apache-2.0
// gather: rows of a table by number, where this tile's block of the table has them, else 0.
//
// Indices are data. One below 0 or past the table is a row that no block has.
#include "codelets/constants.h"
#include "codelets/move.tile.h"

using namespace tessera;

extern "C" const GatherConstants gather_constants;

extern "C" void gather(const VertexOperand* operands, void*) {
  const VertexOperand& table = operands[0];
  const VertexOperand& indices = operands[1];
  const VertexOperand& out = operands[2];
  const Mover mover{size_of(gather_constants.element)};
  const auto* index = static_cast<const int32_t*>(indices.data);
  const int64_t n = table.size[2];
  for (int64_t p = 0; p < table.size[0]; ++p) {
    for (int64_t t = 0; t < indices.size[0]; ++t) {
      const int64_t row = index[t * indices.stride[0]] - table.begin[1];
      const int64_t to = p * out.stride[1] + t * out.stride[2];
      if (row >= 0 && row < table.size[1]) {
        mover.copy(table, p * table.stride[0] + row * table.stride[1], out, to, n);
      } else {
        mover.zero(out, to, n);
      }
    }
  }
}
