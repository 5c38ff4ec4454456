// SPDX-License-Identifier: Apache-2.0
#include "executor/loaded_step.h"

#include "executor/inside.h"
#include "program/boxes.h"
#include "support/check.h"

namespace tessera {
namespace {

// A verified Program passes: its boxes are clipped to their view, and each class was checked.
Status check_operands(const Program& program, const ComputeSet& set, int64_t vertex) {
  const Position position = grid_position(set.grid, vertex);
  for (size_t i = 0; i < set.operands.size(); ++i) {
    const Region& region = set.operands[i].region;
    TRY(check_inside(program, region.variable, region.view, box_at(region, position), i));
  }
  return find_codelet(set.codelet)->check(vertex_shape(program, set, vertex));
}

LoadedOperand load_operand(const Program& program, const Operand& operand, const VertexGrid& grid) {
  const Region& region = operand.region;
  const Variable& variable = program.variables[static_cast<size_t>(region.variable)];
  LoadedOperand loaded{region.variable, operand.writes, size_of(variable.dtype), {}};
  const Shape strides = row_major_strides(region.view);
  for (size_t d = 0; d < region.dims.size(); ++d) {
    const int32_t axis = region.dims[d].axis;
    LoadedOperand::Dim out{axis, strides[d], {}};
    Position position(grid.extent.size());
    if (axis < 0) {
      out.at.push_back(box_at(region, position)[d]);
    } else {
      for (int64_t& c = position[static_cast<size_t>(axis)];
           c < grid.extent[static_cast<size_t>(axis)]; ++c) {
        out.at.push_back(box_at(region, position)[d]);
      }
    }
    loaded.dims.push_back(std::move(out));
  }
  return loaded;
}

// `kernel_of`: by class of all steps, its request.
Expected<LoadedStep> load_step(const Program& program, const Superstep& step,
                               std::vector<Jit::Request>& requests,
                               std::vector<size_t>& kernel_of) {
  const ComputeSet& set = step.compute;
  const Codelet* codelet = find_codelet(set.codelet);
  CHECK(codelet != nullptr);  // verify_program has asked
  LoadedStep loaded;
  loaded.step = &step;
  loaded.grid = set.grid;
  loaded.vertices = vertex_count(set.grid);
  for (const Operand& operand : set.operands) {
    loaded.operands.push_back(load_operand(program, operand, set.grid));
  }
  VertexClasses alike = alike_vertices(set);
  loaded.class_of = std::move(alike.of_vertex);
  for (int64_t vertex : alike.representative) {
    const Status checked = check_operands(program, set, vertex);
    if (!checked.ok()) return in_superstep(step, checked.error().message);
    const VertexShape shape = vertex_shape(program, set, vertex);
    loaded.classes.push_back({.kernel = {}, .scratch_bytes = codelet->scratch_bytes(shape)});
    // Classes of a step mostly differ in sizes alone, which kernels do not depend on.
    std::string constants = codelet->constants(shape);
    if (loaded.classes.size() == 1 || requests.back().constants != constants)
      requests.push_back({codelet, std::move(constants), kernel_steps(shape)});
    kernel_of.push_back(requests.size() - 1);
  }
  return loaded;
}

}  // namespace

Expected<std::vector<LoadedStep>> load_steps(const Program& program, Jit& jit, int threads,
                                             const Limits& limits, const Deadline& deadline) {
  std::vector<LoadedStep> steps;
  std::vector<Jit::Request> requests;
  std::vector<size_t> kernel_of;
  for (const Superstep& step : program.supersteps) {
    TRY(deadline.check("loading its supersteps"));
    steps.push_back(TRY(load_step(program, step, requests, kernel_of)));
  }
  const std::vector<Kernel> kernels = TRY(jit.compile(requests, threads, limits, deadline));
  size_t next = 0;
  for (LoadedStep& loaded : steps) {
    for (VertexClass& c : loaded.classes) c.kernel = kernels[kernel_of[next++]];
  }
  return steps;
}

}  // namespace tessera
