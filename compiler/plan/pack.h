// SPDX-License-Identifier: Apache-2.0
// How to cut pack and unpack over the tiles. Where a segment lies is known only when it runs, so a
// tile that makes some rows of the result receives all rows of the operand, of the columns that it
// works on: columns are cut first, rows of the result with what tiles are left.
#pragma once

#include "program/target.h"
#include "support/type.h"

namespace tessera {

struct PackShape {
  int64_t from_rows = 1;  // of the operand, all of which a tile receives
  int64_t rows = 1;       // of the result, in units that may be cut
  int64_t row_size = 1;   // tokens of such a unit
  int64_t columns = 1;
  DType dtype = DType::F32;
};
struct PackCut {
  int64_t rows = 1, columns = 1;  // block sizes
};
PackCut plan_pack(const PackShape& shape, const Target& target, int64_t working_bytes);

}  // namespace tessera
