// SPDX-License-Identifier: Apache-2.0
// Indices that the graph computed and that are not in their table end the run. The Program says
// which gathers have to be looked at (codelets/gather.h): a tile keeps a word for it that the host
// reads. This machine reads the indices themselves, before the gather that looks them up.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codelets/abi.h"
#include "codelets/gather.h"
#include "executor/machine.h"
#include "program/program.h"
#include "support/expected.h"

namespace tessera {

struct WrongIndex {
  int64_t place = 0;  // among all indices, row-major
  int64_t index = 0;  // as the model computed it
};

// Whether the rule is about one index for each cell of a batch that has `cells` of them.
bool is_by_cell(const IndexRule& rule, int64_t cells);
// The first of these indices that counts and is not in the table, if it stands before `before`.
// One that belongs to a cell which is not used does not count.
std::optional<WrongIndex> find_wrong_index(const IndexRule& rule, const VertexOperand& indices,
                                           const UsedCells& used,
                                           const std::optional<WrongIndex>& before);
// The first number beyond `most` in magnitude, if there is one, of what a cast of floats made. A
// float that 32 bits do not hold is at one of their ends.
std::optional<int64_t> find_wrong_cast(int64_t most, const VertexOperand& made);
// The first node that a superstep came from in the model, or its own name where there is none.
std::string node_of(const Superstep& step);
Error wrong_cast(const Superstep& step, int64_t most, int64_t number);
Error wrong_index(const Superstep& step, const IndexRule& rule, const WrongIndex& wrong);

}  // namespace tessera
