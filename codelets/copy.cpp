// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "codelets/charges.h"
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"
#include "codelets/work.h"

namespace tessera::codelets {
namespace {

const std::vector<double>& values(const VertexShape& shape, std::string_view name) {
  return *find_param(*shape.params, name);
}

Status check_permutation(const std::vector<double>& perm, size_t rank) {
  const auto has = [&](size_t d) { return std::ranges::count(perm, static_cast<double>(d)) == 1; };
  bool permutes = perm.size() == rank;
  for (size_t d = 0; permutes && d < rank; ++d) permutes = has(d);
  if (permutes) return {};
  return violation("copy", fmt::format("perm is [{}], must be a permutation of the {} dimensions",
                                       fmt::join(perm, ","), rank));
}

Status check_steps(const std::vector<double>& step, size_t rank) {
  const auto is_step = [](double value) {
    return value != 0 && std::abs(value) <= kMaxElements && std::trunc(value) == value;
  };
  if (step.size() == rank && std::ranges::all_of(step, is_step)) return {};
  return violation(
      "copy", fmt::format("step is [{}], must be {} integers, none 0", fmt::join(step, ","), rank));
}

Status check(const VertexShape& shape) {
  TRY(check_params("copy", shape, {"perm", "step"}, true));
  TRY(check_operand_count("copy", shape, 2));
  const Shape &in = shape.operands[0].size, &out = shape.operands[1].size;
  TRY(check_operand("copy", shape, 0, {Accept::Any, Shape(in.size(), kAnySize)}));
  TRY(check_operand("copy", shape, 1, {Accept::Any, Shape(in.size(), kAnySize), true}));
  TRY(check_same_dtype("copy", shape, 1, 0));
  TRY(check_permutation(values(shape, "perm"), in.size()));
  TRY(check_steps(values(shape, "step"), in.size()));
  for (size_t d = 0; d < out.size(); ++d) {
    const auto from = static_cast<size_t>(values(shape, "perm")[d]);
    const auto step = static_cast<int64_t>(std::abs(values(shape, "step")[d]));
    const int64_t taken = (in[from] - 1) / step + 1;
    if (in[from] == 1 || taken == out[d]) continue;
    return violation(
        "copy", fmt::format("dimension {} has {} elements, must have the {} that operand 0 has in "
                            "steps of {}",
                            d, out[d], taken, values(shape, "step")[d]));
  }
  return {};
}

// Elements of the innermost run that stand side by side in both.
int64_t contiguous_run(const VertexShape& shape) {
  const Shape &in = shape.operands[0].size, &out = shape.operands[1].size;
  int64_t run = 1;
  for (size_t d = out.size(); d-- > 0;) {
    if (out[d] == 1 && in[d] == 1) continue;
    if (values(shape, "perm")[d] != static_cast<double>(d) || in[d] == 1) break;
    if (values(shape, "step")[d] != 1) break;
    run *= out[d];
    if (in[d] != out[d]) break;
  }
  return run;
}

// One run: a call and memcpy's rate.
Cycles cycles(const VertexShape& shape, const Target& target) {
  const OperandShape& out = shape.operands[1];
  const int64_t bytes = elements(out.size) * size_of(out.dtype);
  const int64_t run = contiguous_run(shape) * size_of(out.dtype);
  if (run == bytes)
    return Cycles{static_cast<uint64_t>(288 + ceil_div(bytes, target.memcpy_bytes_per_cycle))};
  return rearrange_cycles(bytes, run);
}

int64_t state_bytes(const VertexShape& shape) {
  return 16 + 8 * static_cast<int64_t>(shape.operands[0].size.size());
}

std::string constants(const VertexShape& shape) {
  CopyConstants constants{};
  constants.element = element_of(shape.operands[0].dtype);
  constants.rank = static_cast<int64_t>(shape.operands[0].size.size());
  std::ranges::transform(values(shape, "perm"), constants.perm,
                         [](double d) { return static_cast<int64_t>(d); });
  std::ranges::transform(values(shape, "step"), constants.step,
                         [](double d) { return static_cast<int64_t>(d); });
  return bytes_of(constants);
}

// A dimension that is walked by ones is cut freely, and any other stays whole: backwards, or with
// elements of in between that out does not have.
Extents extents(const VertexShape& shape) {
  const std::vector<double>& perm = values(shape, "perm");
  const std::vector<double>& step = values(shape, "step");
  Extents extents{
      std::vector<std::string>(2, std::string(perm.size(), '.')), {}, Extents::kElementWeight};
  for (size_t d = 0; d < perm.size(); ++d) {
    const auto letter = static_cast<char>((step[d] == 1 ? 'A' : 'a') + d);
    if (std::abs(step[d]) == 1) extents.letters[0][static_cast<size_t>(perm[d])] = letter;
    extents.letters[1][d] = letter;
    if (step[d] == 1) extents.cuts.push_back({letter, d + 1 < perm.size() ? 1 : 64});
  }
  return extents;
}

}  // namespace

Codelet copy() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 1024,
          .state_bytes = state_bytes,
          .constants = constants,
          .extents = extents};
}

}  // namespace tessera::codelets
