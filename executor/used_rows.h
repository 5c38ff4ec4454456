// SPDX-License-Identifier: Apache-2.0
// Rows of a batch that hold no request take no time.
//
// A batch is [rows,length] cells, and requests fill its first rows. Along the rows vertices mostly
// do not depend on each other (Extents), so a superstep may stop behind the last row that is used.
// The rows behind it are then not computed. Supersteps that stop do not read them; supersteps that
// read all rows, and the caller, find zeros there. Nothing here trusts a file: a vertex's boxes say
// which rows it reads. A Program whose rows do see each other reads those zeros. Every machine has
// them, also one that computes all rows, so that the answers do not hang on the machine.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "executor/joined.h"
#include "executor/machine.h"
#include "program/popef.h"

namespace tessera {

struct BatchRows {
  int64_t rows = 0, length = 0;
};
// The rows that one run of the Program has; nothing where they are not independent, or fewer
// than 2.
std::optional<BatchRows> batch_rows_of(const Executable& executable);

// Where a joined vertex has the rows of its batch.
struct RowAxis {
  char letter = 0;      // Extents
  int64_t per_row = 0;  // indices of that axis
};
struct ShortStep {
  std::vector<RowAxis> axes;      // by vertex of the step; empty: the step does not stop early
  std::vector<VariableId> zeros;  // activations of it that are read behind its last row
};

struct WholeStep {
  const std::vector<JoinedVertex>* vertices = nullptr;
  bool may_stop = true;       // before its last row
  bool is_looked_at = false;  // behind its last row as well, in what it reads
};
// By step, in order. `steps` are all of the Program's.
std::vector<ShortStep> short_steps(const Program& program, std::span<const WholeStep> steps,
                                   const std::vector<VariableId>& row_inputs, int64_t rows);
// The inputs of one value, or line of values, for each cell.
std::vector<VariableId> row_inputs_of(const Executable& executable, const BatchRows& batch);

// The parts of a step's vertices that compute the first `rows` rows.
std::vector<JoinedVertex> first_rows(const std::vector<JoinedVertex>& vertices,
                                     const ShortStep& step, int64_t rows);

// The numbers of rows that a run may compute; rising, and `rows` is the last. The least that is
// enough is less than one and a half times as many as are asked for.
std::vector<int64_t> row_counts(int64_t rows);
// How many rows of the batch a run computes: the least count that holds all used cells. All of
// them where `used` is not of this batch.
int64_t rows_to_compute(const BatchRows& batch, const UsedCells& used);

}  // namespace tessera
