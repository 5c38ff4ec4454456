// SPDX-License-Identifier: Apache-2.0
#include "executor/joined.h"

#include <algorithm>
#include <cctype>

#include "codelets/abi.h"
#include "codelets/matmul.h"
#include "program/boxes.h"
#include "support/check.h"

namespace tessera {
namespace {

bool may_join(char letter) { return std::isupper(static_cast<unsigned char>(letter)) != 0; }

// Is `letter` what this operand's dimension says, and does the box move along the axis in steps of
// its own size?
bool tiles_the_axis(const RegionDim& dim, char own, char letter) {
  return own == letter && dim.step == dim.size;
}

// May the vertices along a grid axis be joined? All that moves along it must be dimensions of one
// letter, and all dimensions of that letter must move, but for those that serve everyone.
bool joins_along(const ComputeSet& set, const Extents& extents, int32_t axis) {
  char letter = 0;
  for (size_t i = 0; i < set.operands.size() && letter == 0; ++i) {
    const std::vector<RegionDim>& dims = set.operands[i].region.dims;
    for (size_t d = 0; d < dims.size(); ++d) {
      if (dims[d].axis == axis) letter = extents.letters[i][d];
    }
  }
  if (!may_join(letter)) return false;
  for (size_t i = 0; i < set.operands.size(); ++i) {
    const std::vector<RegionDim>& dims = set.operands[i].region.dims;
    for (size_t d = 0; d < dims.size(); ++d) {
      const bool is_letter = extents.letters[i][d] == letter;
      if (dims[d].axis == axis && !tiles_the_axis(dims[d], extents.letters[i][d], letter))
        return false;
      if (dims[d].axis != axis && is_letter && dims[d].size != 1) return false;
    }
  }
  return true;
}

// The box at `position`, as long as its axes where `joined` says so.
Box joined_box(const Region& region, const VertexGrid& grid, const std::vector<bool>& joined,
               const Position& position) {
  Box box = box_at(region, position);
  for (size_t d = 0; d < box.size(); ++d) {
    const RegionDim& dim = region.dims[d];
    if (dim.axis < 0 || !joined[static_cast<size_t>(dim.axis)]) continue;
    const int64_t end = dim.offset + grid.extent[static_cast<size_t>(dim.axis)] * dim.step;
    box[d].end = std::min(end, region.view[d]);
  }
  return box;
}

JoinedVertex vertex_at(const Program& program, const ComputeSet& set, const Extents& extents,
                       const std::vector<bool>& joined, const Position& position) {
  JoinedVertex vertex{find_codelet(set.codelet), set.params, {}};
  for (size_t i = 0; i < set.operands.size(); ++i) {
    const Region& region = set.operands[i].region;
    const Variable& variable = program.variables[static_cast<size_t>(region.variable)];
    vertex.operands.push_back({.variable = region.variable,
                               .dtype = variable.dtype,
                               .writes = set.operands[i].writes,
                               .view = region.view,
                               .box = joined_box(region, set.grid, joined, position),
                               .letters = extents.letters[i]});
  }
  return vertex;
}

int64_t bytes_of(const JoinedVertex& vertex) {
  size_t bytes = sizeof vertex;
  for (const Param& param : vertex.params)
    bytes += sizeof param + param.name.capacity() + param.values.size() * sizeof(double);
  for (const JoinedOperand& operand : vertex.operands)
    bytes += sizeof operand + operand.view.size() * sizeof(int64_t);
  return static_cast<int64_t>(bytes);
}

// A piece of a vertex, and what its call is handed.
Status ask_for(int64_t count, const JoinedVertex& one, Budget& memory) {
  const auto handed = static_cast<int64_t>(one.operands.size() * sizeof(VertexOperand));
  return memory.spend(count * (2 * bytes_of(one) + handed), "loading its vertices");
}

// Along the axes that are left.
Expected<std::vector<JoinedVertex>> vertices_along(const Program& program, const ComputeSet& set,
                                                   const Extents& extents,
                                                   const std::vector<bool>& joined,
                                                   Budget& memory) {
  VertexGrid left = set.grid;
  for (size_t a = 0; a < joined.size(); ++a) {
    if (joined[a]) left.extent[a] = 1;
  }
  const JoinedVertex first = vertex_at(program, set, extents, joined, grid_position(left, 0));
  TRY(ask_for(vertex_count(left), first, memory));
  std::vector<JoinedVertex> vertices;
  for (int64_t k = 0; k < vertex_count(left); ++k) {
    vertices.push_back(vertex_at(program, set, extents, joined, grid_position(left, k)));
  }
  return vertices;
}

// --- Partials ---

constexpr size_t kA = 0, kB = 1, kProduct = 2;  // matmul's operands
constexpr size_t kPartials = 0;                 // reduce_partials' first

bool is_plain(const JoinedVertex& matmul) {
  return matmul.operands.size() == kProduct + 1 && param(matmul.params, "activation") == 0;
}

bool covers(const Range& range, const Range& all) { return range == all; }

// Does part p of the product multiply terms [p · step, …) and write partial p, all of it?
bool is_part(const JoinedVertex& part, const JoinedVertex& first, int64_t p, const Box& partials) {
  const JoinedOperand &a = part.operands[kA], &b = part.operands[kB];
  const JoinedOperand &a0 = first.operands[kA], &b0 = first.operands[kB];
  const Box& out = part.operands[kProduct].box;
  const int64_t step = a0.box[2].size();
  return a.box[0] == a0.box[0] && a.box[1] == a0.box[1] && a.box[0].size() == 1 &&
         a.box[2].begin == a0.box[2].begin + p * step && a.box[2].size() <= step &&
         b.box[0] == b0.box[0] && b.box[1].begin == b0.box[1].begin + p * step &&
         b.box[2] == b0.box[2] && out[0] == Range{p, p + 1} && covers(out[1], partials[1]) &&
         covers(out[2], partials[2]);
}

bool are_parts(const std::vector<JoinedVertex>& product, const JoinedVertex& sum) {
  const JoinedOperand& partials = sum.operands[kPartials];
  const auto count = static_cast<int64_t>(product.size());
  if (partials.box[0] != Range{0, count}) return false;
  const int64_t step = product[0].operands[kA].box[2].size();
  for (int64_t p = 0; p < count; ++p) {
    const JoinedVertex& part = product[static_cast<size_t>(p)];
    if (!is_plain(part) || !is_part(part, product[0], p, partials.box)) return false;
    const JoinedOperand& written = part.operands[kProduct];
    if (written.variable != partials.variable || written.view != partials.view) return false;
    if (p + 1 < count && part.operands[kA].box[2].size() != step) return false;
  }
  return true;
}

// A sum that adds its partials once more, as a residual or a bias, needs them in memory.
bool reads_partials_once(const JoinedVertex& sum) {
  return std::ranges::count(sum.operands, sum.operands[kPartials].variable,
                            &JoinedOperand::variable) == 1;
}

// The [1,m,n] of a sum as that of a matmul; a bias stays [n].
JoinedOperand as_one_matrix(JoinedOperand operand) {
  if (operand.box.size() == 3) operand.letters[0] = 'G';
  return operand;
}

}  // namespace

VertexShape JoinedVertex::shape() const {
  VertexShape shape{&params, {}};
  for (const JoinedOperand& operand : operands) {
    OperandShape is{operand.dtype, {}, operand.writes};
    for (const Range& range : operand.box) is.size.push_back(range.size());
    shape.operands.push_back(std::move(is));
  }
  return shape;
}

Expected<std::vector<JoinedVertex>> join_vertices(const Program& program, const ComputeSet& set,
                                                  Budget& memory) {
  const Codelet* codelet = find_codelet(set.codelet);
  CHECK(codelet != nullptr);  // verify_program has asked
  const Extents extents = codelet->extents(vertex_shape(program, set, 0));
  std::vector<bool> joined(set.grid.extent.size());
  for (size_t a = 0; a < joined.size(); ++a) {
    joined[a] = joins_along(set, extents, static_cast<int32_t>(a));
  }
  std::vector<JoinedVertex> vertices = TRY(vertices_along(program, set, extents, joined, memory));
  const auto refused = [&](const JoinedVertex& v) { return !codelet->check(v.shape()).ok(); };
  if (std::ranges::none_of(vertices, refused)) return vertices;
  // Limits on a vertex's size, for example. As the tiles do it, then.
  return vertices_along(program, set, extents, std::vector<bool>(joined.size()), memory);
}

std::vector<JoinedVertex> join_partials(const std::vector<JoinedVertex>& product,
                                        const std::vector<JoinedVertex>& sum) {
  // Sums of bytes are whole in each vertex: only those of floats come in parts.
  if (sum.size() != 1 || product[0].codelet->role != Role::Product ||
      is_byte(product[0].operands[kA].dtype) || sum[0].codelet->role != Role::PartialSum ||
      !reads_partials_once(sum[0]) || !are_parts(product, sum[0])) {
    return {};
  }
  const JoinedOperand& partials = sum[0].operands[kPartials];
  JoinedVertex joined{product[0].codelet, sum[0].params, {}};
  const int64_t step = product[0].operands[kA].box[2].size();
  for (const Param& param : product[0].params)  // that of fp8, which a sum does not have
    if (!find_param(joined.params, param.name)) joined.params.push_back(param);
  joined.params.push_back({kPartTerms, {static_cast<double>(step)}});
  joined.params.push_back({kPartElement, {static_cast<double>(partials.dtype)}});
  joined.operands = {product[0].operands[kA], product[0].operands[kB]};
  joined.operands[kA].box[2].end = product.back().operands[kA].box[2].end;
  joined.operands[kB].box[1].end = product.back().operands[kB].box[1].end;
  for (size_t i = 1; i < sum[0].operands.size(); ++i) {
    joined.operands.push_back(as_one_matrix(sum[0].operands[i]));
  }
  return {std::move(joined)};
}

}  // namespace tessera
