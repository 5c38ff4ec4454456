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
//
// Where the first row alone is used, a superstep that makes something for each cell may stop behind
// that row's last used cell. Attention's queries stop there, and its keys behind it are zeros. A
// superstep that adds up cells of the row finds zeros too: cells without a request add nothing to
// an answer. Any other superstep that reads all cells of the row (to find the greatest, say) reads
// what they hold, and that is computed for the whole row.
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

// Cells are those of the first row, and are counted where no other row is computed.
enum class PartKind : uint8_t { Rows, Requests, Cells };
inline constexpr std::array kPartKinds = {PartKind::Rows, PartKind::Requests, PartKind::Cells};
template <class T>
using ByPartKind = std::array<T, kPartKinds.size()>;

// The parts of a batch, as one run of the Program has them.
struct BatchParts {
  int64_t rows = 0, length = 0;
  int64_t requests = 0;  // places of unpack_info; 0: the Program has none
  size_t places = 0;     // which of the Program's inputs that is, [requests, 1 or 2]

  int64_t count(PartKind kind) const {
    switch (kind) {
      case PartKind::Rows: return rows;
      case PartKind::Requests: return requests;
      case PartKind::Cells: return length;
    }
    return 0;
  }
  // Where the parts behind the first `count` lie in a value of `size` elements or bytes; of cells,
  // those of the first row.
  Range behind(PartKind kind, int64_t computed, int64_t size) const {
    if (kind != PartKind::Cells) return {size / count(kind) * computed, size};
    const int64_t each = size / (rows * length);
    return {each * computed, each * length};
  }
};
// Nothing where requests cannot be told apart.
std::optional<BatchParts> batch_parts_of(const Executable& executable);

// Where a joined vertex has the parts of its batch.
struct PartAxis {
  char letter = 0;       // Extents; 0: nowhere
  size_t axis = 0;       // of what it writes
  int64_t per_part = 0;  // indices of that axis
};
// How a step stops behind a number of parts of one kind.
struct ShortStep {
  std::vector<PartAxis> axes;     // by vertex that is left; empty: the step does not stop early
  std::vector<VariableId> zeros;  // activations of it that are read behind its last part
};
using StepStops = ByPartKind<ShortStep>;

struct WholeStep {
  const std::vector<JoinedVertex>* vertices = nullptr;
  // By PartKind: whether it may stop before its last part, and whether it is looked at, in what it
  // reads, behind that part as well.
  ByPartKind<bool> may_stop = {true, true, true};
  ByPartKind<bool> is_looked_at = {};
};
// By step, in order. `steps` are all of the Program's. A step stops by rows or by requests, and by
// cells only where it stops by rows or there is one row.
std::vector<StepStops> short_steps(const Executable& executable, const BatchParts& batch,
                                   std::span<const WholeStep> steps);

// The vertices' parts that compute the first `count` parts of that kind; of cells, in one row.
std::vector<JoinedVertex> first_parts(const std::vector<JoinedVertex>& vertices,
                                      const StepStops& stops, PartKind kind, int64_t count);

// The numbers of parts that a run may compute; rising, and `all` is the last. The least that is
// enough is less than one and a half times as many as are asked for.
std::vector<int64_t> part_counts(int64_t all);
// How many of them a run computes: the least count that holds all used rows, the least that holds
// all requests that have a length, and the least that holds all used cells of the first row, or all
// of that row where another row is computed. All where `used` is not of this batch. `inputs` are
// the Program's.
ByPartKind<int64_t> parts_to_compute(const BatchParts& batch, const UsedCells& used,
                                     std::span<const std::span<const std::byte>> inputs);

}  // namespace tessera
