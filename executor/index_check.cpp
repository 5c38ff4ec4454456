// SPDX-License-Identifier: Apache-2.0
#include "executor/index_check.h"

#include <fmt/format.h>

#include "executor/array_checks.h"

namespace tessera {
namespace {

bool counts(const IndexRule& rule, int64_t place, const UsedCells& used) {
  return !is_by_cell(rule, std::ssize(used)) || place >= std::ssize(used) ||
         used[static_cast<size_t>(place)];
}

}  // namespace

std::string node_of(const Superstep& step) {
  if (!step.origin.empty()) return step.origin.back();
  return step.name.substr(0, step.name.rfind("/partials"));
}

bool is_by_cell(const IndexRule& rule, int64_t cells) {
  return rule.by_cell && elements(rule.shape) == cells;
}

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

std::optional<int64_t> find_wrong_cast(int64_t most, const VertexOperand& made) {
  const int64_t last = made.size[kVertexRank - 1];
  int64_t index[kVertexRank] = {};
  for (;;) {
    int64_t offset = 0;
    for (int d = 0; d < kVertexRank; ++d) offset += index[d] * made.stride[d];
    const auto* line = static_cast<const int32_t*>(made.data) + offset;
    for (int64_t i = 0; i < last; ++i) {
      const int64_t number = line[i * made.stride[kVertexRank - 1]];
      if (std::abs(number) >= most + (most < INT32_MAX ? 1 : 0)) return number;
    }
    int d = kVertexRank - 2;
    for (; d >= 0 && ++index[d] == made.size[d]; --d) index[d] = 0;
    if (d < 0) return std::nullopt;
  }
}

Error wrong_cast(const Superstep& step, int64_t most, int64_t number) {
  const bool ends = number == INT32_MAX || number == INT32_MIN;
  return Error{fmt::format("node '{}' (cast): makes {}{}, must be in {}..{}, as whole numbers are "
                           "computed in 32 bits",
                           node_of(step), number, ends ? " or beyond" : "", -most, most),
               ErrorKind::Failed, kIndexOutOfRange};
}

Error wrong_index(const Superstep& step, const IndexRule& rule, const WrongIndex& wrong) {
  return Error{
      fmt::format("node '{}' (gather): index {} at {}, must be in {}..{}, as its table has {} rows",
                  node_of(step), wrong.index, place_in(rule.shape, wrong.place), -rule.rows,
                  rule.rows - 1, rule.rows),
      ErrorKind::Failed, kIndexOutOfRange};
}

}  // namespace tessera
