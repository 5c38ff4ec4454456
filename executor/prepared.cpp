// SPDX-License-Identifier: Apache-2.0
#include "executor/prepared.h"

#include <algorithm>
#include <atomic>

namespace tessera {
namespace {

// Equal for operands whose prepared regions are the same bytes under the same keys.
using Identity = std::vector<int64_t>;

Identity identity_of(const StepPlan& plan, size_t operand) {
  const OperandPlan& o = plan.operands[operand];
  Identity id = {o.variable, reinterpret_cast<int64_t>(plan.classes[0].kernel.prepare[operand]),
                 plan.max_prepared_bytes(operand)};
  const RegionKey key = region_key(o, plan.grid.extent);
  for (const OperandPlan::Dim& dim : o.dims) {
    id.push_back(dim.stride);
    id.push_back(dim.axis < 0 ? 0 : key.stride[static_cast<size_t>(dim.axis)]);
    for (const Range& range : dim.at) id.insert(id.end(), {range.begin, range.end});
  }
  return id;
}

// The first vertex whose region has this key: 0 on the axes that the region does not follow.
Position position_of_key(const RegionKey& key, const VertexGrid& grid, int64_t number) {
  Position position(grid.extent.size());
  for (size_t a = 0; a < position.size(); ++a) {
    if (key.stride[a] != 0) position[a] = number / key.stride[a] % grid.extent[a];
  }
  return position;
}

int64_t vertex_at(const VertexGrid& grid, const Position& position) {
  int64_t vertex = 0;
  for (size_t a = 0; a < position.size(); ++a) vertex = vertex * grid.extent[a] + position[a];
  return vertex;
}

Expected<std::shared_ptr<const PreparedRegions>> prepare_operand(const EngineParts& parts,
                                                                 const StepPlan& plan,
                                                                 size_t operand) {
  const OperandPlan& o = plan.operands[operand];
  const RegionKey key = region_key(o, plan.grid.extent);
  auto regions = std::make_shared<PreparedRegions>();
  regions->bytes_each = aligned_size(plan.max_prepared_bytes(operand));
  regions->buffer = TRY(HostBuffer::allocate(regions->bytes_each * key.count));
  std::byte* base = constant_bytes(parts.executable, o.variable);
  std::atomic<int64_t> next{0};
  parts.pool.run([&](int) {
    for (int64_t k; (k = next.fetch_add(1)) < key.count;) {
      const Position position = position_of_key(key, plan.grid, k);
      VertexOperand region = blank_operand();
      set_operand(o, base, position, region);
      plan.vertex_class(vertex_at(plan.grid, position))
          .kernel.prepare[operand](&region, regions->at(k));
    }
  });
  return std::shared_ptr<const PreparedRegions>(std::move(regions));
}

}  // namespace

Expected<PreparedConstants> PreparedConstants::prepare(const EngineParts& parts) {
  PreparedConstants constants;
  std::map<Identity, std::shared_ptr<const PreparedRegions>> known;
  for (size_t s = 0; s < parts.steps.size(); ++s) {
    const StepPlan& plan = parts.steps[s];
    for (size_t i = 0; i < plan.operands.size(); ++i) {
      const auto variable = static_cast<size_t>(plan.operands[i].variable);
      const Variable& v = parts.executable.program.variables[variable];
      if (v.kind != VariableKind::Constant || plan.max_prepared_bytes(i) == 0) continue;
      auto& regions = known[identity_of(plan, i)];
      if (!regions) {
        regions = TRY(prepare_operand(parts, plan, i));
        constants.bytes_ += regions->buffer.size();
      }
      constants.by_operand_[{s, i}] = regions;
    }
  }
  return constants;
}

const PreparedRegions* PreparedConstants::find(size_t step, size_t operand) const {
  const auto it = by_operand_.find({step, operand});
  return it == by_operand_.end() ? nullptr : it->second.get();
}

std::byte* constant_bytes(const Executable& executable, VariableId variable) {
  const Variable& v = executable.program.variables[static_cast<size_t>(variable)];
  return const_cast<std::byte*>(executable.constants[static_cast<size_t>(v.constant)].bytes.data());
}

}  // namespace tessera
