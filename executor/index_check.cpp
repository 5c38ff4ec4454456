// SPDX-License-Identifier: Apache-2.0
#include "executor/index_check.h"

#include <fmt/format.h>

#include "executor/host_arrays.h"

namespace tessera {
namespace {

bool counts(const IndexRule& rule, int64_t place, const UsedCells& used) {
  const bool one_each = rule.by_cell && elements(rule.shape) == std::ssize(used);
  return !one_each || place >= std::ssize(used) || used[static_cast<size_t>(place)];
}

// The first node that it came from in the model, or the superstep where there is none.
std::string node_of(const Superstep& step) {
  if (!step.origin.empty()) return step.origin.back();
  return step.name.substr(0, step.name.rfind("/partials"));
}

}  // namespace

std::optional<WrongIndex> find_wrong_index(const IndexRule& rule, const VertexOperand& indices,
                                           const UsedCells& used,
                                           const std::optional<WrongIndex>& before) {
  const auto* index = static_cast<const int32_t*>(indices.data);
  for (int64_t t = 0; t < indices.size[0]; ++t) {
    const int64_t place = indices.begin[0] + t;
    if (before && place >= before->place) break;
    const int64_t row = index[t * indices.stride[0]];
    if ((row >= 0 && row < rule.rows) || !counts(rule, place, used)) continue;
    // One that is still negative had the rows added once: it was to count from the end.
    return WrongIndex{place, row < 0 ? row - rule.rows : row};
  }
  return before;
}

Error wrong_index(const Superstep& step, const IndexRule& rule, const WrongIndex& wrong) {
  return Error{
      fmt::format("node '{}' (gather): index {} at {}, must be in {}..{}, as its table has {} rows",
                  node_of(step), wrong.index, place_in(rule.shape, wrong.place), -rule.rows,
                  rule.rows - 1, rule.rows),
      ErrorKind::Failed, kIndexOutOfRange};
}

}  // namespace tessera
