// SPDX-License-Identifier: Apache-2.0
#include "codelets/gather.h"

#include <algorithm>
#include <cmath>

#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"
#include "codelets/work.h"

namespace tessera::codelets {
namespace {

constexpr int64_t kMostRows = int64_t{1} << 31;

bool is_checked(const VertexShape& shape) { return !shape.params->empty(); }

Status check_index_rule(const VertexShape& shape) {
  if (!is_checked(shape)) return check_params("gather", shape, {});
  TRY(check_params("gather", shape, {"rows", "cells", "shape"}, true));
  for (const char* name : {"rows", "cells"})
    if (find_param(*shape.params, name)->size() != 1)
      return violation("gather", std::string(name) + " must be one number");
  TRY(int_param("gather", shape, "rows", 1, kMostRows));
  TRY(int_param("gather", shape, "cells", 0, 1));
  const std::vector<double>& sizes = *find_param(*shape.params, "shape");
  const auto is_size = [](double size) {
    return size >= 1 && size <= double{kMaxElements} && size == std::floor(size);
  };
  if (sizes.size() <= kMaxRank && std::ranges::all_of(sizes, is_size)) return {};
  return violation("gather", "shape must be up to 8 sizes of at least 1");
}

Status check(const VertexShape& shape) {
  TRY(check_index_rule(shape));
  TRY(check_operand_count("gather", shape, 3));
  TRY(check_operand("gather", shape, 0, {Accept::Any, Shape(3, kAnySize)}));
  TRY(check_operand("gather", shape, 1, {Accept::I32, Shape(1, kAnySize)}));
  const Shape& table = shape.operands[0].size;
  const Shape out = {1, table[0], shape.operands[1].size[0], table[2]};
  TRY(check_operand("gather", shape, 2, {Accept::Any, out, true}));
  return check_same_dtype("gather", shape, 2, 0);
}

// Every index is charged as one that this table has: 19 issues and two for each 4 bytes of the row.
// poplibs popops PerformanceEstimation.cpp getMultiSliceCycleEstimate. Where indices are checked,
// two more issues an index: a comparison with the rows of the whole table, and its answer kept in a
// word of the tile's, which the host reads with the outputs.
Cycles cycles(const VertexShape& shape, const Target& target) {
  const OperandShape& table = shape.operands[0];
  const int64_t rows = table.size[0] * per_worker(shape.operands[1].size[0], target);
  const int64_t row =
      19 + (is_checked(shape) ? 2 : 0) + 2 * ceil_div(table.size[2] * size_of(table.dtype), 4);
  return tile_cycles(0, 30 + rows * row, target);
}

Extents extents(const VertexShape&) {
  return {
      {"P.N",    "T",      "1PTN"   },
      {{'P', 1}, {'T', 1}, {'N', 64}}
  };
}

}  // namespace

}  // namespace tessera::codelets

namespace tessera {

std::optional<IndexRule> index_rule(const ComputeSet& set) {
  const std::vector<Param>& params = set.params;
  if (set.codelet != "gather" || params.empty()) return std::nullopt;
  IndexRule rule;
  rule.rows = static_cast<int64_t>(param(params, "rows"));
  rule.by_cell = param(params, "cells") != 0;
  for (const double size : *find_param(params, "shape"))
    rule.shape.push_back(static_cast<int64_t>(size));
  return rule;
}

std::optional<int64_t> cast_rule(const ComputeSet& set) {
  if (set.codelet != "elementwise" || find_param(set.params, "within") == nullptr)
    return std::nullopt;
  return static_cast<int64_t>(param(set.params, "within"));
}

}  // namespace tessera

namespace tessera::codelets {

Codelet gather() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 512,
          .state_bytes = always<28>,
          .constants = elements_of<GatherConstants>,
          .extents = extents};
}

}  // namespace tessera::codelets
