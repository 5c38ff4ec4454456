// SPDX-License-Identifier: Apache-2.0
// Parts of a batch that hold no request take no time.
//
// A batch is [rows,length] cells, and requests fill its first rows. Values that are made for each
// request have a place for each of the most requests that a batch takes; requests fill the first
// places, and unpack_info says where their tokens stand. Along rows and places vertices mostly do
// not depend on each other (Extents), so a superstep may stop behind the last row, or place, that
// is used. The parts behind it are then not computed. Supersteps that stop do not read them;
// supersteps that read all, and the caller, find zeros there. Nothing here trusts a file: a
// vertex's boxes say what it reads. A Program whose rows do see each other reads those zeros. Every
// machine has them, also one that computes all rows, so that the answers do not hang on the
// machine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "executor/joined.h"
#include "executor/machine.h"
#include "program/popef.h"

namespace tessera {

enum class PartKind : uint8_t { Rows, Requests };
inline constexpr std::array kPartKinds = {PartKind::Rows, PartKind::Requests};

// The parts of a batch, as one run of the Program has them.
struct BatchParts {
  int64_t rows = 0, length = 0;
  int64_t requests = 0;  // places of unpack_info; 0: the Program has none
  size_t places = 0;     // which of the Program's inputs that is, [requests, 1 or 2]

  int64_t count(PartKind kind) const { return kind == PartKind::Rows ? rows : requests; }
};
// Nothing where neither the rows are independent and at least 2, nor the places at least 2.
std::optional<BatchParts> batch_parts_of(const Executable& executable);

// Where a joined vertex has the rows of its batch, or its requests.
struct PartAxis {
  char letter = 0;       // Extents
  int64_t per_part = 0;  // indices of that axis
};
struct ShortStep {
  PartKind kind = PartKind::Rows;
  std::vector<PartAxis> axes;     // by vertex of the step; empty: the step does not stop early
  std::vector<VariableId> zeros;  // activations of it that are read behind its last part
};

struct WholeStep {
  const std::vector<JoinedVertex>* vertices = nullptr;
  // By PartKind: whether it may stop before its last part, and whether it is looked at, in what it
  // reads, behind that part as well.
  std::array<bool, 2> may_stop = {true, true};
  std::array<bool, 2> is_looked_at = {};
};
// By step, in order. `steps` are all of the Program's.
std::vector<ShortStep> short_steps(const Executable& executable, const BatchParts& batch,
                                   std::span<const WholeStep> steps);

// The vertices' parts that compute the first `count` rows or requests.
std::vector<JoinedVertex> first_parts(const std::vector<JoinedVertex>& vertices,
                                      const ShortStep& step, int64_t count);

// The numbers of rows, or requests, that a run may compute; rising, and `all` is the last. The
// least that is enough is less than one and a half times as many as are asked for.
std::vector<int64_t> part_counts(int64_t all);
// How many of them a run computes, by PartKind: the least count that holds all used cells, and the
// least that holds all requests that have a length. All where `used` is not of this batch.
// `inputs` are the Program's.
std::array<int64_t, 2> parts_to_compute(const BatchParts& batch, const UsedCells& used,
                                        std::span<const std::span<const std::byte>> inputs);

}  // namespace tessera
