// SPDX-License-Identifier: Apache-2.0
#include "tests/program/mutate.h"

#include <algorithm>
#include <string>
#include <type_traits>

#include "codelets/codelet.h"
#include "program/boxes.h"

namespace tessera::fuzz {
namespace {

// Every number of a Program that stands for a size, a place or an index.
class Numbers {
 public:
  explicit Numbers(Program& program) {
    for (Variable& variable : program.variables) {
      add(variable.shape);
      add(variable.mapping.view);
      add(variable.mapping.block);
      tiles.push_back(&variable.mapping.first.value);
      ids.push_back(&variable.constant);
    }
    for (VariableId& id : program.inputs) ids.push_back(&id);
    for (VariableId& id : program.outputs) ids.push_back(&id);
    for (Superstep& step : program.supersteps) {
      for (Transfer& transfer : step.exchange) add(transfer.region, transfer.grid);
      add(step.compute.grid);
      for (Operand& operand : step.compute.operands) add(operand.region);
    }
  }
  std::vector<int64_t*> sizes;
  std::vector<int32_t*> ids;
  std::vector<uint32_t*> tiles;

 private:
  void add(std::vector<int64_t>& list) {
    for (int64_t& number : list) sizes.push_back(&number);
  }
  void add(VertexGrid& grid) {
    add(grid.extent);
    tiles.push_back(&grid.first.value);
  }
  void add(Region& region) {
    add(region.view);
    ids.push_back(&region.variable);
    for (RegionDim& dim : region.dims) {
      ids.push_back(&dim.axis);
      sizes.insert(sizes.end(), {&dim.offset, &dim.step, &dim.size});
    }
  }
  void add(Region& region, VertexGrid& grid) {
    add(region);
    add(grid);
  }
};

std::vector<Region*> regions_of(Program& program) {
  std::vector<Region*> regions;
  for (Superstep& step : program.supersteps) {
    for (Transfer& transfer : step.exchange) regions.push_back(&transfer.region);
    for (Operand& operand : step.compute.operands) regions.push_back(&operand.region);
  }
  return regions;
}

Superstep* a_step(Program& program, Random& random) {
  return program.supersteps.empty() ? nullptr : &random.pick(program.supersteps);
}

void change_a_number(Program& program, Random& random) {
  const Numbers numbers(program);
  const size_t kind = random.below(8);
  if (kind == 0 && !numbers.tiles.empty()) {
    uint32_t& tile = *random.pick(numbers.tiles);
    tile = static_cast<uint32_t>(other_number(tile, random));
  } else if (kind <= 2 && !numbers.ids.empty()) {
    int32_t& id = *random.pick(numbers.ids);
    id = random.one_in(4) ? static_cast<int32_t>(other_number(id, random))
                          : static_cast<int32_t>(random.below(program.variables.size() + 1)) -
                                static_cast<int32_t>(random.one_in(8));
  } else if (!numbers.sizes.empty()) {
    int64_t& size = *random.pick(numbers.sizes);
    size = other_number(size, random);
  }
}

// 64 becomes 65 wherever it stands: what a model of another size would look like.
void change_an_extent_everywhere(Program& program, Random& random) {
  const Numbers numbers(program);
  if (numbers.sizes.empty()) return;
  const int64_t before = *random.pick(numbers.sizes);
  if (before < 1) return;
  const int64_t after = std::clamp<int64_t>(
      random.one_in(3) ? other_number(before, random)
                       : static_cast<int64_t>(1 + random.below(static_cast<size_t>(
                                                      2 * std::min<int64_t>(before, 32)))),
      0, int64_t{1} << 20);
  for (int64_t* const size : numbers.sizes)
    if (*size == before) *size = after;
}

void change_a_target(Program& program, Random& random) {
  std::vector<int64_t*> fields;
  for_each_field(program.target, [&](const char*, auto& value) {
    if constexpr (std::is_same_v<decltype(value), int64_t&>) fields.push_back(&value);
  });
  int64_t& field = *random.pick(fields);
  field = other_number(field, random);
}

void change_a_param(Program& program, Random& random) {
  constexpr double kReals[] = {0, 1, -1, 2, 0.5, 1e-12, 1e30, -1e30, 22, 63, 1e308, 0.1};
  Superstep* const step = a_step(program, random);
  if (step == nullptr || step->compute.params.empty()) return;
  Param& param = random.pick(step->compute.params);
  if (param.values.empty() || random.one_in(16)) {
    param.values.push_back(kReals[random.below(std::size(kReals))]);
    return;
  }
  double& value = random.pick(param.values);
  if (random.one_in(3))
    value = kReals[random.below(std::size(kReals))];
  else
    value += static_cast<double>(random.below(5)) - 2;
}

void change_steps(Program& program, Random& random) {
  auto& steps = program.supersteps;
  if (steps.empty()) return;
  const size_t at = random.below(steps.size()), other = random.below(steps.size());
  switch (random.below(4)) {
    case 0: steps.erase(steps.begin() + static_cast<ptrdiff_t>(at)); break;
    case 1: std::swap(steps[at], steps[other]); break;
    case 2: std::swap(steps[at].compute.codelet, steps[other].compute.codelet); break;
    default: {
      Superstep copy = steps[at];
      copy.name += "'";
      steps.insert(steps.begin() + static_cast<ptrdiff_t>(other), std::move(copy));
    }
  }
}

void change_operands(Program& program, Random& random) {
  Superstep* const step = a_step(program, random);
  if (step == nullptr || step->compute.operands.empty()) return;
  auto& operands = step->compute.operands;
  Operand& operand = random.pick(operands);
  switch (random.below(6)) {
    case 0: operands.erase(operands.begin() + (&operand - operands.data())); break;
    case 1: operands.insert(operands.begin(), Operand(operand)); break;
    case 2: std::swap(operand, random.pick(operands)); break;
    case 3: operand.writes = !operand.writes; break;
    case 4: operand.region = Operand(random.pick(operands)).region; break;
    default: {
      const std::vector<Region*> regions = regions_of(program);
      operand.region = Region(*random.pick(regions));
    }
  }
}

void change_exchange(Program& program, Random& random) {
  Superstep* const step = a_step(program, random);
  if (step == nullptr) return;
  auto& exchange = step->exchange;
  if (!exchange.empty() && random.one_in(2)) {
    exchange.erase(exchange.begin() + static_cast<ptrdiff_t>(random.below(exchange.size())));
    return;
  }
  for (const Operand& operand : step->compute.operands)
    if (random.one_in(2)) exchange.push_back({operand.region, step->compute.grid});
}

void change_a_variable(Program& program, Random& random) {
  if (program.variables.empty()) return;
  Variable& variable = random.pick(program.variables);
  switch (random.below(4)) {
    case 0: variable.dtype = static_cast<DType>(random.below(4)); break;
    case 1: variable.kind = static_cast<VariableKind>(random.below(4)); break;
    case 2: std::swap(variable.mapping, random.pick(program.variables).mapping); break;
    default: {  // all of it on one tile
      variable.mapping.block = variable.mapping.view;
      for (int64_t& block : variable.mapping.block) block = std::max<int64_t>(block, 1);
      variable.mapping.first.value = static_cast<uint32_t>(random.below(4));
    }
  }
}

// A variable of its own for one use: what was written is no longer what is read.
void split_a_variable(Program& program, Random& random) {
  const std::vector<Region*> regions = regions_of(program);
  if (regions.empty()) return;
  Region& region = *random.pick(regions);
  if (region.variable < 0 || static_cast<size_t>(region.variable) >= program.variables.size())
    return;
  Variable copy = program.variables[static_cast<size_t>(region.variable)];
  copy.name += "'";
  copy.kind = VariableKind::Activation;
  copy.constant = -1;
  region.variable = static_cast<VariableId>(program.variables.size());
  program.variables.push_back(std::move(copy));
}

void take_another_variable(Program& program, Random& random) {
  const std::vector<Region*> regions = regions_of(program);
  if (regions.empty() || program.variables.empty()) return;
  Region& region = *random.pick(regions);
  const Region& other = *random.pick(regions);
  if (random.one_in(2))
    region.variable = other.variable;
  else
    region.variable = static_cast<VariableId>(random.below(program.variables.size()));
}

void change_a_view(Program& program, Random& random) {
  const std::vector<Region*> regions = regions_of(program);
  if (regions.empty()) return;
  Region& region = *random.pick(regions);
  if (region.view.size() != region.dims.size() || region.view.empty()) return;
  const size_t d = random.below(region.view.size());
  const auto at = static_cast<ptrdiff_t>(d);
  switch (random.below(3)) {
    case 0: {  // turned
      const size_t other = random.below(region.view.size());
      std::swap(region.view[d], region.view[other]);
      std::swap(region.dims[d], region.dims[other]);
      break;
    }
    case 1:  // a dimension of one more
      region.view.insert(region.view.begin() + at, 1);
      region.dims.insert(region.dims.begin() + at, {-1, 0, 0, 1});
      break;
    default:  // two in one
      if (d + 1 == region.view.size() || region.dims[d + 1].axis != -1) return;
      const int64_t inner = region.view[d + 1];
      if (inner < 1 || inner > (1 << 20) || region.view[d] > (1 << 20)) return;
      region.view[d] *= inner;
      RegionDim& dim = region.dims[d];
      for (int64_t* const part : {&dim.offset, &dim.step, &dim.size})
        *part = static_cast<int64_t>(static_cast<uint64_t>(*part) * static_cast<uint64_t>(inner));
      region.view.erase(region.view.begin() + at + 1);
      region.dims.erase(region.dims.begin() + at + 1);
  }
}

// Other blocks along one axis, on all operands that it moves.
void cut_otherwise(Program& program, Random& random) {
  Superstep* const step = a_step(program, random);
  if (step == nullptr || step->compute.grid.extent.empty()) return;
  VertexGrid& grid = step->compute.grid;
  const auto axis = static_cast<int32_t>(random.below(grid.extent.size()));
  const auto size = static_cast<int64_t>(1 + random.below(16));
  grid.extent[static_cast<size_t>(axis)] = static_cast<int64_t>(1 + random.below(4));
  const auto recut = [&](Region& region) {
    for (RegionDim& dim : region.dims)
      if (dim.axis == axis) dim.step = dim.size = size;
  };
  for (Transfer& transfer : step->exchange) {
    recut(transfer.region);
    transfer.grid = grid;
  }
  for (Operand& operand : step->compute.operands) {
    recut(operand.region);
    if (!operand.writes && random.one_in(2)) step->exchange.push_back({operand.region, grid});
  }
}

// One operand's box is larger, smaller or elsewhere than the others say.
void move_a_box(Program& program, Random& random) {
  const std::vector<Region*> regions = regions_of(program);
  if (regions.empty()) return;
  Region& region = *random.pick(regions);
  if (region.dims.empty()) return;
  RegionDim& dim = random.pick(region.dims);
  switch (random.below(5)) {
    case 0: dim.size = static_cast<int64_t>(1 + random.below(16)); break;
    case 1: dim.offset = static_cast<int64_t>(random.below(16)); break;
    case 2: dim.step = static_cast<int64_t>(random.below(16)); break;
    case 3: dim.axis = static_cast<int32_t>(random.below(4)) - 1; break;
    default: dim = RegionDim{-1, 0, 0, 1}; break;
  }
}

void take_another_codelet(Program& program, Random& random) {
  Superstep* const step = a_step(program, random);
  if (step == nullptr) return;
  ComputeSet& set = step->compute;
  if (random.one_in(2)) {
    const ComputeSet& other = random.pick(program.supersteps).compute;
    set.params = std::vector<Param>(other.params);
    set.codelet = std::string(other.codelet);
    return;
  }
  set.codelet = std::string(all_codelets()[random.below(all_codelets().size())].name);
  if (random.one_in(2)) set.params.clear();
}

// A step that copies one variable into a new one, which takes the place of the old in later reads.
void insert_a_copy(Program& program, Random& random) {
  if (program.variables.empty() || program.supersteps.empty()) return;
  const auto from = static_cast<VariableId>(random.below(program.variables.size()));
  Variable copy = program.variables[static_cast<size_t>(from)];
  copy.name += "'";
  copy.kind = VariableKind::Activation;
  copy.constant = -1;
  copy.mapping = {copy.shape, copy.shape, TileId{0}};
  for (int64_t& block : copy.mapping.block) block = std::max<int64_t>(block, 1);
  const auto to = static_cast<VariableId>(program.variables.size());
  const size_t at = random.below(program.supersteps.size() + 1);
  for (size_t s = at; s < program.supersteps.size(); ++s)
    for (Operand& operand : program.supersteps[s].compute.operands)
      if (operand.region.variable == from && !operand.writes) operand.region.variable = to;
  Superstep step;
  step.name = "copy " + std::to_string(random.next());
  step.compute.codelet = "copy";
  step.compute.grid = {{1}, TileId{0}};
  Param perm{"perm", {}}, stride{"step", {}};
  for (size_t d = 0; d < copy.shape.size(); ++d) {
    perm.values.push_back(static_cast<double>(d));
    stride.values.push_back(1);
  }
  step.compute.params = {perm, stride};
  const Region source = whole(from, copy.shape);
  step.exchange = {
      {source, step.compute.grid}
  };
  step.compute.operands = {
      {source, false},
      {whole(to, copy.shape), true}
  };
  program.variables.push_back(std::move(copy));
  program.supersteps.insert(program.supersteps.begin() + static_cast<ptrdiff_t>(at),
                            std::move(step));
}

void change_anchors(Program& program, Random& random) {
  std::vector<VariableId>& list = random.one_in(2) ? program.inputs : program.outputs;
  if (!list.empty() && random.one_in(2))
    list.erase(list.begin() + static_cast<ptrdiff_t>(random.below(list.size())));
  else if (!program.variables.empty())
    list.push_back(static_cast<VariableId>(random.below(program.variables.size())));
}

using Change = void (*)(Program&, Random&);
// Changes that often pass the verifier stand twice.
constexpr Change kChanges[] = {
    change_a_number, change_a_number,       change_an_extent_everywhere,
    change_a_target, change_a_param,        change_an_extent_everywhere,
    change_steps,    change_operands,       change_exchange,
    change_operands, change_a_variable,     split_a_variable,
    change_a_view,   take_another_variable, cut_otherwise,
    cut_otherwise,   take_another_codelet,  move_a_box,
    insert_a_copy,   insert_a_copy,         move_a_box,
    change_anchors,
};

}  // namespace

void mutate_program(Program& program, Random& random) {
  kChanges[random.below(std::size(kChanges))](program, random);
}

bool has_sound_ids(const Program& program) {
  const auto sound = [&](VariableId id) {
    return id >= 0 && static_cast<size_t>(id) < program.variables.size();
  };
  return std::ranges::all_of(program.inputs, sound) &&
         std::ranges::all_of(program.outputs, sound) &&
         std::ranges::all_of(regions_of(const_cast<Program&>(program)),
                             [&](const Region* region) { return sound(region->variable); });
}

}  // namespace tessera::fuzz
