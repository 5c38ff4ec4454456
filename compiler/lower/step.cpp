// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <ranges>
#include <string_view>
#include <unordered_set>

#include "compiler/lower/state.h"
#include "compiler/plan/grid.h"
#include "program/bounds.h"
#include "program/boxes.h"
#include "support/check.h"

namespace tessera {

std::vector<std::string> origins_of(const std::vector<const Node*>& nodes) {
  std::unordered_set<std::string_view> seen;
  std::vector<std::string> names;
  for (const Node* node : nodes | std::views::reverse)
    for (const std::string& name : node->origin | std::views::reverse)
      if (names.size() < kMaxPerSuperstep && seen.insert(name).second) names.push_back(name);
  std::ranges::reverse(names);
  return names;
}

Step::Step(Lowering& lowering, const std::string& name, const std::vector<std::string>& origin,
           std::string codelet, VariableId out)
    : lowering_(lowering) {
  const Mapping& mapping = lowering.mapping(out);
  step_.name = name;
  step_.origin = origin;
  step_.compute.codelet = std::move(codelet);
  step_.compute.grid = {block_counts(mapping.view, mapping.block), mapping.first, mapping.deal};
  std::vector<int32_t> axes;
  for (size_t d = 0; d < mapping.view.size(); ++d) axes.push_back(static_cast<int32_t>(d));
  written_ = blocked(out, mapping.view, mapping.block, axes);
}

Step& Step::param(std::string name, std::vector<double> values) {
  step_.compute.params.push_back({std::move(name), std::move(values)});
  return *this;
}

Step& Step::read(const Node* node, const Shape& shape, const std::vector<RegionDim>& dims) {
  std::optional<Region> region = region_of(lowering_.shaped(node, shape), dims);
  // A block that would reach past a slice's end: then the slice needs memory of its own.
  if (!region) region = region_of(all_of(lowering_.packed(node).variable, shape), dims);
  return read(*region);
}

Step& Step::read(const Value& value, const std::vector<RegionDim>& dims) {
  const std::optional<Region> region = region_of(value, dims);
  CHECK(region.has_value());
  return read(*region);
}

Step& Step::read(const Region& wanted) { return take(lowering_.landed(wanted)); }

Step& Step::take(const Region& region) {
  step_.compute.operands.push_back({region, false});
  const Transfer transfer{region, step_.compute.grid};
  if (is_local(lowering_.mapping(region.variable), region, transfer.grid)) return *this;
  if (std::ranges::find(step_.exchange, transfer) != step_.exchange.end()) return *this;
  step_.exchange.push_back(transfer);
  return *this;
}

Step& Step::only(size_t dim, int64_t at) {
  CHECK(step_.compute.grid.extent[dim] == 1);
  written_.dims[dim] = only_dim(at);
  return *this;
}

void Step::emit() {
  step_.compute.operands.push_back({written_, true});
  step_.name = lowering_.step_name(step_.name);
  step_.stage = lowering_.placement().stage;
  lowering_.vertices += vertex_count(step_.compute.grid);
  for (const Transfer& transfer : step_.exchange) lowering_.vertices += vertex_count(transfer.grid);
  lowering_.program.supersteps.push_back(std::move(step_));
}

}  // namespace tessera
