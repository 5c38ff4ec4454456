// SPDX-License-Identifier: Apache-2.0
// Joined vertices, cut again for this host: into pieces that its threads take in turn. A piece is
// one call of a kernel, and everything that the call is handed is made here, once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codelets/abi.h"
#include "executor/joined.h"
#include "program/boxes.h"

namespace tessera {

// Elements walked through (terms of products, elements of rows) that take some microseconds: what
// waking a thread and sharing its results with another cost.
inline constexpr int64_t kLeastWork = int64_t{1} << 17;

// About as many pieces as keep `threads` busy to the end, and none that is not worth a call. They
// differ in size by little, and none takes so long that a run could not be stopped between two,
// where the codelet can be cut so. `vertices` are those of one superstep, at least one.
std::vector<JoinedVertex> cut_into_pieces(const std::vector<JoinedVertex>& vertices, int threads,
                                          int64_t least_work = kLeastWork);

// The part of every dimension of this letter that is longer than 1.
JoinedVertex part_along(JoinedVertex vertex, char letter, const Range& part);

// Elements that a vertex walks through, terms of products among them, each by its weight (Extents);
// 2^47 for more.
int64_t work_of(const JoinedVertex& vertex);
int64_t work_of(const VertexShape& vertex, const Extents& extents);

// The operand that a kernel is handed where the variable begins at `base`.
VertexOperand operand_over(const JoinedOperand& operand, std::byte* base);

}  // namespace tessera
