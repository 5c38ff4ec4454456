// SPDX-License-Identifier: Apache-2.0
#include "codelets/codelet.h"

#include <algorithm>
#include <array>

#include "codelets/abi.h"
#include "codelets/bitcode.h"
#include "codelets/host_side.h"
#include "program/boxes.h"
#include "support/check.h"

namespace tessera {
namespace {

static_assert(static_cast<int64_t>(DType::F32) == static_cast<int64_t>(Element::F32) &&
              static_cast<int64_t>(DType::F16) == static_cast<int64_t>(Element::F16) &&
              static_cast<int64_t>(DType::I32) == static_cast<int64_t>(Element::I32) &&
              static_cast<int64_t>(DType::Bool) == static_cast<int64_t>(Element::Bool) &&
              static_cast<int64_t>(DType::F143) == static_cast<int64_t>(Element::F143) &&
              static_cast<int64_t>(DType::F152) == static_cast<int64_t>(Element::F152));
static_assert(kVertexRank == kMaxRank);

struct Row {
  std::string_view name, reads;
  Written writes;
  Role role;
};

Codelet with_row(Codelet codelet, const Row& row, std::span<const std::byte> bitcode) {
  codelet.name = row.name;
  codelet.reads = row.reads;
  codelet.writes = row.writes;
  codelet.role = row.role;
  codelet.bitcode = bitcode;
  return codelet;
}

}  // namespace

std::span<const Codelet> all_codelets() {
  static const auto table = std::to_array<Codelet>({
#define CODELET(name, reads, writes, role, ...) \
  with_row(codelets::name(), {#name, reads, Written::writes, Role::role}, bitcode::name()),
#include "codelets/codelets.def"
#undef CODELET
  });
  return table;
}

const Codelet* find_codelet(std::string_view name) {
  const std::span<const Codelet> table = all_codelets();
  const auto found = std::ranges::find(table, name, &Codelet::name);
  return found == table.end() ? nullptr : &*found;
}

VertexShape vertex_shape(const Program& program, const ComputeSet& set, int64_t k) {
  const Position position = grid_position(set.grid, k);
  VertexShape shape{.params = &set.params, .operands = {}};
  for (const Operand& operand : set.operands) {
    OperandShape is{.dtype = program.variables[static_cast<size_t>(operand.region.variable)].dtype,
                    .size = {},
                    .writes = operand.writes};
    for (const Range& range : box_at(operand.region, position)) is.size.push_back(range.size());
    shape.operands.push_back(std::move(is));
  }
  return shape;
}

Status check_compute_set(const Program& program, const ComputeSet& set) {
  const Codelet* codelet = find_codelet(set.codelet);
  if (codelet == nullptr) {
    return Error{"codelet is '" + set.codelet + "', must be one of this version's",
                 ErrorKind::BadFile};
  }
  for (const int64_t k : alike_vertices(set).representative) {
    TRY(codelet->check(vertex_shape(program, set, k)));
  }
  return {};
}

const std::vector<double>* find_param(const std::vector<Param>& params, std::string_view name) {
  const auto found = std::ranges::find(params, name, &Param::name);
  return found == params.end() ? nullptr : &found->values;
}

double param(const std::vector<Param>& params, std::string_view name) {
  const std::vector<double>* values = find_param(params, name);
  CHECK(values != nullptr && !values->empty());
  return values->front();
}

}  // namespace tessera
