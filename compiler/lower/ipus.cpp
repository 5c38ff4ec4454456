// SPDX-License-Identifier: Apache-2.0
// Several IPUs: what is planned for one at a time, and what comes to it from another. A value that
// an IPU wants of another is copied once, block by block to the tile that stands where the owner's
// does, and read there from then on, as Poplar copies between IPUs. Constants are never sent: each
// IPU that reads one has a copy.
#include <set>

#include "compiler/lower/state.h"
#include "program/boxes.h"

namespace tessera {
namespace {

// The node whose value the operand is, seen through views, which move nothing.
const Node* behind_views(const Node* operand) {
  while (Lowering::is_lazy(operand) && !operand->in.empty()) operand = operand->in[0];
  return operand;
}

}  // namespace

void Lowering::count_constants(const Placements& placements) {
  std::set<std::pair<int64_t, const Node*>> counted;
  const auto count = [&](const Node* constant, int64_t ipu) {
    if (!constant->is(Op::Constant) || !counted.emplace(ipu, constant).second) return;
    ++constants_alike_[{ipu, constant->type.dtype, constant->type.shape}];
  };
  for (const auto& node : graph.nodes()) {
    if (placements.empty()) count(node.get(), 0);
    const auto place = placements.find(node.get());
    if (place == placements.end()) continue;
    for (const Node* operand : node->in) count(behind_views(operand), place->second.ipu);
  }
}

int64_t Lowering::constants_alike(const Node* constant) const {
  const auto found =
      constants_alike_.find({placement_.ipu, constant->type.dtype, constant->type.shape});
  return found == constants_alike_.end() ? 1 : found->second;
}

void Lowering::keep_constants(Values& values, Values& kept) const {
  for (auto value = values.begin(); value != values.end();) {
    const Variable& variable = program.variables[index(value->second.variable)];
    const auto next = std::next(value);
    if (variable.kind == VariableKind::Constant) kept.insert(values.extract(value));
    value = next;
  }
}

void Lowering::move_to(const NodePlace& placement) {
  if (placement.ipu != placement_.ipu) {
    auto& left = constants_elsewhere_[placement_.ipu];
    keep_constants(values_, left.first);
    keep_constants(packed_, left.second);
    auto& met = constants_elsewhere_[placement.ipu];
    values_.merge(met.first);
    packed_.merge(met.second);
  }
  placement_ = placement;
}

int32_t Lowering::dealt(const Shape& view) const {
  const int64_t ipus = together();
  if (ipus == 1) return -1;
  for (const bool evenly : {true, false})
    for (size_t d = 0; d < view.size(); ++d)
      if (view[d] >= ipus && (!evenly || view[d] % ipus == 0)) return static_cast<int32_t>(d);
  return -1;
}

Shape Lowering::share_of(Shape view, int32_t dealt) const {
  if (dealt >= 0) view[static_cast<size_t>(dealt)] = share(view[static_cast<size_t>(dealt)]);
  return view;
}

Mapping Lowering::laid_out(const Shape& view, const std::vector<int64_t>& block, TileId first,
                           int32_t dealt) const {
  Mapping mapping{view, block, first};
  if (dealt < 0 || together() == 1) return mapping;
  const auto axis = static_cast<size_t>(dealt);
  const int64_t blocks = ceil_div(view[axis], block[axis]), each = share(blocks);
  if (each < blocks) mapping.deal = {dealt, each, tiles()};
  return mapping;
}

Region Lowering::landed(const Region& region) {
  if (together() > 1) return region;  // each exchange sends what the others hold
  const Variable from = program.variables[index(region.variable)];
  if (program.target.ipu_of(from.mapping.first.value) == placement_.ipu) return region;
  Region here = region;
  const auto known = landed_.find({region.variable, placement_.ipu});
  if (known != landed_.end()) {
    here.variable = known->second;
    return here;
  }
  const bool is_scalar = from.mapping.view.empty();
  const Shape view = is_scalar ? Shape{1} : from.mapping.view;
  const std::vector<int64_t> block = is_scalar ? std::vector<int64_t>{1} : from.mapping.block;
  const std::string ipu = "ipu" + std::to_string(placement_.ipu);
  here.variable = temporary(from.name + "/on_" + ipu, from.dtype, view, block);
  program.variables[index(here.variable)].shape = from.shape;
  landed_[{region.variable, placement_.ipu}] = here.variable;

  Step step(*this, from.name + "/to_" + ipu, {}, "copy", here.variable);
  std::vector<double> perm, steps(view.size(), 1);
  std::vector<int32_t> axes;
  for (size_t d = 0; d < view.size(); ++d) {
    perm.push_back(static_cast<double>(d));
    axes.push_back(static_cast<int32_t>(d));
  }
  step.param("perm", perm).param("step", steps);
  step.take(blocked(region.variable, view, block, axes)).emit();
  return here;
}

}  // namespace tessera
