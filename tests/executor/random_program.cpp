// SPDX-License-Identifier: Apache-2.0
#include "tests/executor/random_program.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>

#include "program/boxes.h"
#include "tests/helpers/forms.h"
#include "tests/helpers/linear_mapping.h"

namespace tessera {
namespace {

constexpr int64_t kTiles = 64;

// How a letter of a form goes over the grid.
struct Axis {
  int32_t number = -1;
  int64_t count = 1, size = 1, last = 1;  // boxes, and sizes of all but the last and of the last
  int64_t all() const { return (count - 1) * size + last; }
};

class Writer {
 public:
  explicit Writer(std::mt19937& random) : random_(random) {
    program_.name = "random";
    program_.target.tiles = kTiles;
    program_.target.bytes_per_tile = 2'000'000'000;
  }

  Program write() {
    for (int steps = 1 + below(5); steps > 0; --steps) {
      if (below(5) == 0) {
        add_partials();
      } else {
        add_any();
      }
    }
    finish();
    return std::move(program_);
  }

 private:
  int below(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }
  bool one_in(int count) { return below(count) == 0; }

  VariableId add_variable(DType dtype, const Shape& shape, VariableKind kind, Mapping mapping) {
    Variable variable;
    variable.name = "v" + std::to_string(program_.variables.size());
    variable.dtype = dtype;
    variable.shape = shape;
    variable.kind = kind;
    variable.mapping = std::move(mapping);
    if (kind == VariableKind::Constant) variable.constant = constants_++;
    program_.variables.push_back(std::move(variable));
    return static_cast<VariableId>(program_.variables.size() - 1);
  }

  // Something that is there already and has room for a box of this size, else a new input. The
  // outermost dimension of the view may grow to fit.
  VariableId source_for(DType dtype, Shape& view, bool may_grow) {
    std::vector<VariableId> fits;
    const int64_t inner = view.empty() ? 1 : elements(view) / view[0];
    for (const VariableId id : ready_) {
      const Variable& v = program_.variables[static_cast<size_t>(id)];
      const int64_t count = elements(v.shape);
      const bool grows = may_grow && !view.empty() && count % inner == 0 && count > elements(view);
      if (v.dtype == dtype && (count == elements(view) || grows)) fits.push_back(id);
    }
    if (!fits.empty() && !one_in(4)) {
      const VariableId id = fits[random_() % fits.size()];
      const Variable& v = program_.variables[static_cast<size_t>(id)];
      if (!view.empty()) view[0] = elements(v.shape) / inner;
      return id;
    }
    const auto kind = one_in(3) ? VariableKind::Constant : VariableKind::Input;
    const Mapping mapping = one_in(2)
                                ? test::linear_mapping(view, kTiles, 1 + below(7))
                                : Mapping{view, view, TileId{static_cast<uint32_t>(below(4))}};
    const VariableId id = add_variable(dtype, view, kind, mapping);
    ready_.push_back(id);
    return id;
  }

  // Letters of what is written, in its order, each with an axis or none.
  std::map<char, Axis> axes_of(const Form& form, const VertexShape& shape, VertexGrid& grid) {
    std::map<char, Axis> axes;
    for (size_t i = 0; i < shape.operands.size(); ++i) {
      const std::string& letters = form.operands[i].sizes;
      for (size_t d = 0; d < letters.size(); ++d) {
        if (!std::islower(static_cast<unsigned char>(letters[d]))) continue;
        const int64_t size = shape.operands[i].size[d];
        axes[letters[d]] = {-1, 1, size, size};
      }
    }
    int64_t vertices = 1;
    for (const char letter : form.operands.back().sizes) {
      if (!std::islower(static_cast<unsigned char>(letter)) || one_in(2)) continue;
      Axis& axis = axes[letter];
      axis.count = 1 + below(4);
      if (vertices * axis.count > 32) axis.count = 1;
      vertices *= axis.count;
      axis.number = static_cast<int32_t>(grid.extent.size());
      if (axis.count > 1 && one_in(2)) axis.last = 1 + below(static_cast<int>(axis.size));
      if (form.codelet == "rotary" && letter == 'd') axis.last = axis.size;
      grid.extent.push_back(axis.count);
    }
    return axes;
  }

  // The boxes of operand i; its view is in `region`, and whether its first dimension may grow.
  bool set_boxes(const Form& form, const VertexShape& shape, size_t i,
                 const std::map<char, Axis>& axes, Region& region) {
    bool may_grow = false;
    const bool written = i + 1 == shape.operands.size();
    for (size_t d = 0; d < shape.operands[i].size.size(); ++d) {
      const int64_t size = shape.operands[i].size[d];
      const auto letter = static_cast<char>(std::tolower(form.operands[i].sizes[d]));
      const auto found = axes.find(letter);
      const bool stretched = std::isupper(static_cast<unsigned char>(form.operands[i].sizes[d])) &&
                             size == 1 && found != axes.end() && found->second.size != 1;
      const bool plain = found == axes.end() || stretched || found->second.number < 0;
      const int64_t all = plain ? size : found->second.all();
      const bool full = written || (!plain && found->second.last != size);
      const int64_t before = full ? 0 : below(3), after = full ? 0 : below(3);
      const int64_t offset = full && !written ? below(3) : before;
      region.view.push_back(offset + all + after);
      region.dims.push_back(plain ? RegionDim{-1, offset, 0, size}
                                  : RegionDim{found->second.number, offset, size, size});
      if (d == 0) may_grow = !full;
    }
    return may_grow;
  }

  Superstep& new_step(const std::string& codelet, std::vector<Param> params, VertexGrid grid) {
    Superstep step;
    step.name = "s" + std::to_string(program_.supersteps.size());
    step.compute.codelet = codelet;
    step.compute.params = std::move(params);
    step.compute.grid = std::move(grid);
    program_.supersteps.push_back(std::move(step));
    return program_.supersteps.back();
  }

  void add_read(Superstep& step, const Region& region) {
    step.exchange.push_back({region, step.compute.grid});
    step.compute.operands.push_back({region, false});
  }

  // Blocks of the written variable where the vertices are that write them.
  static Mapping mapping_of(const Region& region, const VertexGrid& grid) {
    Mapping mapping{region.view, {}, grid.first};
    for (const RegionDim& dim : region.dims) mapping.block.push_back(dim.size);
    return mapping;
  }

  // All of a variable, or slice after slice by several supersteps.
  void add_written(Superstep& step, DType dtype, Region region) {
    region.variable = add_variable(dtype, region.view, VariableKind::Activation,
                                   mapping_of(region, step.compute.grid));
    step.compute.operands.push_back({region, true});
    ready_.push_back(region.variable);
  }

  void add_in_turns(DType dtype, Region region) {
    const int64_t slices = 2 + below(2);
    const size_t first = program_.supersteps.size() - 1;
    VertexGrid grid = program_.supersteps[first].compute.grid;
    const int64_t vertices = vertex_count(grid);
    region.view[0] = slices;
    region.variable =
        add_variable(dtype, region.view, VariableKind::Activation, mapping_of(region, grid));
    for (int64_t slice = 0; slice < slices; ++slice) {
      if (slice > 0) {
        Superstep next = program_.supersteps[first];
        next.name = "s" + std::to_string(program_.supersteps.size());
        next.compute.operands.pop_back();
        next.compute.grid.first.value = grid.first.value + static_cast<uint32_t>(slice * vertices);
        for (Transfer& transfer : next.exchange) transfer.grid = next.compute.grid;
        program_.supersteps.push_back(std::move(next));
      }
      region.dims[0] = {-1, slice, 0, 1};
      program_.supersteps.back().compute.operands.push_back({region, true});
    }
    ready_.push_back(region.variable);
  }

  void add_any() {
    const std::vector<Form> forms = all_forms(random_);
    const Form& form = forms[random_() % forms.size()];
    VertexShape shape = vertex_of(form, one_in(6) ? 40 : 5, random_);
    if (!one_in(4)) {  // few kernels, for the most part
      for (OperandShape& operand : shape.operands)
        if (is_float(operand.dtype)) operand.dtype = DType::F32;
    }
    VertexGrid grid{{}, TileId{static_cast<uint32_t>(below(8))}};
    const std::map<char, Axis> axes = axes_of(form, shape, grid);
    const size_t inputs = shape.operands.size() - 1;
    std::vector<Region> regions(shape.operands.size());
    for (size_t i = 0; i < regions.size(); ++i) {
      const bool may_grow = set_boxes(form, shape, i, axes, regions[i]);
      if (elements(regions[i].view) > (1 << 16)) return;
      if (i < inputs)
        regions[i].variable = source_for(shape.operands[i].dtype, regions[i].view, may_grow);
    }
    Superstep& step = new_step(form.codelet, form.params, grid);
    for (size_t i = 0; i < inputs; ++i) add_read(step, regions[i]);
    const Region& out = regions.back();
    const DType dtype = shape.operands.back().dtype;
    const bool sliceable = !out.view.empty() && out.dims[0].axis < 0 && out.view[0] == 1;
    if (sliceable && vertex_count(grid) <= 8 && one_in(2)) {
      add_in_turns(dtype, out);
    } else {
      add_written(step, dtype, out);
    }
  }

  // A matmul whose terms are in parts, and their sum, which may add what it should not.
  void add_partials() {
    const int64_t parts = 1 + below(4), m = 1 + below(6), n = 1 + below(20);
    const int64_t terms = 1 + below(6), last = 1 + below(static_cast<int>(terms));
    const int64_t k = (parts - 1) * terms + last;
    const DType dtype = one_in(3) ? DType::F16 : DType::F32;
    const auto params = [&](bool bias, bool residual) {
      return std::vector<Param>{
          {"bias",       {bias ? 1.0 : 0.0}             },
          {"residual",   {residual ? 1.0 : 0.0}         },
          {"activation", {static_cast<double>(below(3))}}
      };
    };
    Region a{
        -1, {1,             m,             k                   },
         {{-1, 0, 0, 1}, {-1, 0, 0, m}, {0, 0, terms, terms}}
    };
    Region b{
        -1, {1,             k,                    n            },
         {{-1, 0, 0, 1}, {0, 0, terms, terms}, {-1, 0, 0, n}}
    };
    a.variable = source_for(dtype, a.view, false);
    b.variable = source_for(dtype, b.view, false);
    std::vector<Param> plain = params(false, false);
    if (!one_in(5)) plain[2].values = {0};
    Superstep& product = new_step("matmul", plain, {{parts}, TileId{0}});
    add_read(product, a);
    add_read(product, b);
    add_written(product, one_in(3) ? DType::F16 : DType::F32,
                {
                    -1, {parts,        m,             n            },
                     {{0, 0, 1, 1}, {-1, 0, 0, m}, {-1, 0, 0, n}}
    });
    if (one_in(8)) add_any();
    add_sum(program_.supersteps.back().compute.operands.back().region, m, n, params);
  }

  template <class Params>
  void add_sum(const Region& partials, int64_t m, int64_t n, const Params& params) {
    if (partials.view.size() != 3 || partials.view[1] != m || partials.view[2] != n) return;
    const bool residual = one_in(2), bias = one_in(3);
    const int64_t parts = partials.view[0];
    Region read{
        partials.variable,
        partials.view,
        {{-1, 0, 0, one_in(6) ? 1 + below(static_cast<int>(parts)) : parts},
               {-1, 0, 0, m},
               {-1, 0, 0, n}}
    };
    std::vector<Region> others;
    if (bias) {
      Region region{-1, {n}, {{-1, 0, 0, n}}};
      region.variable = source_for(DType::F32, region.view, false);
      if (one_in(3)) region = {partials.variable, {parts * m * n}, {{-1, 0, 0, n}}};
      others.push_back(region);
    }
    if (residual) {
      Region region{
          -1, {1,             m,             n            },
           {{-1, 0, 0, 1}, {-1, 0, 0, m}, {-1, 0, 0, n}}
      };
      region.variable = source_for(DType::F32, region.view, false);
      if (one_in(2)) region = {partials.variable, partials.view, region.dims};
      if (one_in(2)) region.dims[0].offset = region.view[0] - 1;
      others.push_back(region);
    }
    Superstep& sum = new_step("reduce_partials", params(bias, residual), {{1}, TileId{1}});
    add_read(sum, read);
    for (const Region& region : others) add_read(sum, region);
    add_written(sum, DType::F32,
                {
                    -1, {1,             m,             n            },
                     {{-1, 0, 0, 1}, {-1, 0, 0, m}, {-1, 0, 0, n}}
    });
  }

  // Results that nothing reads are outputs, and some others.
  void finish() {
    std::vector<bool> read(program_.variables.size());
    for (const Superstep& step : program_.supersteps)
      for (const Operand& operand : step.compute.operands)
        if (!operand.writes) read[static_cast<size_t>(operand.region.variable)] = true;
    for (size_t id = 0; id < program_.variables.size(); ++id) {
      Variable& variable = program_.variables[id];
      const bool shown = !read[id] || one_in(4);
      if (variable.kind == VariableKind::Activation && shown) variable.kind = VariableKind::Output;
      if (variable.kind == VariableKind::Input)
        program_.inputs.push_back(static_cast<VariableId>(id));
      if (variable.kind == VariableKind::Output)
        program_.outputs.push_back(static_cast<VariableId>(id));
    }
  }

  std::mt19937& random_;
  Program program_;
  std::vector<VariableId> ready_;
  int32_t constants_ = 0;
};

}  // namespace

Program random_program(std::mt19937& random) { return Writer(random).write(); }

void make_odd(Program& program, std::mt19937& random) {
  if (program.supersteps.empty()) return;
  Superstep& step = program.supersteps[random() % program.supersteps.size()];
  std::vector<Operand>& operands = step.compute.operands;
  Operand& operand = operands[random() % operands.size()];
  const Region before = operand.region;
  const auto some = [&] { return static_cast<int64_t>(random() % 6); };
  if (random() % 3 == 0 || operand.region.dims.empty()) {
    operand.region.variable = static_cast<VariableId>(random() % program.variables.size());
  } else {
    RegionDim& dim = operand.region.dims[random() % operand.region.dims.size()];
    switch (random() % 5) {
      case 0: dim.size = 1 + some(); break;
      case 1: dim.offset = some(); break;
      case 2: dim.step = some(); break;
      case 3: dim.step = dim.size = 1 + some(); break;
      default: dim.axis = static_cast<int32_t>(random() % 4) - 1; break;
    }
  }
  for (Transfer& transfer : step.exchange)
    if (transfer.region == before) transfer.region = operand.region;
}

}  // namespace tessera
