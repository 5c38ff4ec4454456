// SPDX-License-Identifier: Apache-2.0
// A group of elementwise nodes: one superstep. Operands that are broadcast are read with dimensions
// of 1, so nothing is repeated in memory. The result lies where an operand lies already, if that is
// spread well, because then that operand need not travel.
#include <algorithm>

#include "compiler/lower/state.h"
#include "compiler/lower/tape.h"
#include "compiler/plan/grid.h"

namespace tessera {
namespace {

constexpr int64_t kGrain = 8;

// An operand: a node, and its shape in the rank of the result; 1 where it is broadcast.
struct Input {
  const Node* node;
  Shape shape;
  std::vector<bool> starts;  // dimensions that do not continue the one before: edges of a slice
  bool column = false;       // only a view with one more dimension of 1 has it
};

Input input_of(Lowering& lowering, const Node* node, const Shape& out) {
  Input input{through_broadcast(node), {}, std::vector<bool>(out.size(), false)};
  input.shape = input.node->type.shape;
  input.shape.insert(input.shape.begin(), out.size() - input.shape.size(), 1);
  std::optional<Value> value = reshape(lowering.value(input.node), input.shape);
  if (!value) {
    Shape column = input.shape;
    column.push_back(1);
    value = reshape(lowering.value(input.node), column);
    input.column = value.has_value();
  }
  if (!value) return input;
  for (size_t d = 0; d < out.size(); ++d) input.starts[d] = value->box[d].size() != value->view[d];
  return input;
}

// The fewest dimensions that tell the operands apart: neighbours that every operand either has
// whole or is broadcast along become one.
struct Dims {
  Shape out;
  std::vector<std::vector<bool>> repeated;  // by input and dimension
};

Dims merge_dims(const Shape& out, const std::vector<Input>& inputs) {
  Dims dims{{}, std::vector<std::vector<bool>>(inputs.size())};
  std::vector<bool> last;
  for (size_t d = 0; d < out.size(); ++d) {
    if (out[d] == 1) continue;
    std::vector<bool> repeated;
    for (const Input& input : inputs) repeated.push_back(input.shape[d] == 1);
    const auto starts = [d](const Input& input) { return input.starts[d]; };
    if (!dims.out.empty() && repeated == last && std::ranges::none_of(inputs, starts)) {
      dims.out.back() *= out[d];
      continue;
    }
    dims.out.push_back(out[d]);
    for (size_t i = 0; i < inputs.size(); ++i) dims.repeated[i].push_back(repeated[i]);
    last = repeated;
  }
  if (std::ranges::any_of(inputs, &Input::column) || dims.out.empty()) {
    dims.out.push_back(1);
    for (std::vector<bool>& repeated : dims.repeated) repeated.push_back(false);
  }
  return dims;
}

// The result's place, and for each dimension of its view which of the merged dimensions it is in.
struct Place {
  Shape view;
  std::vector<int64_t> block;
  std::vector<size_t> merged;
  int32_t dealt = -1;  // the dimension of the view that is dealt out to IPUs
};

// The view of a mapping, if its dimensions are parts of the merged ones.
std::optional<Place> refine(const Mapping& mapping, const Shape& merged) {
  Place place;
  size_t at = 0;
  int64_t product = 1;
  for (size_t d = 0; d < mapping.view.size(); ++d) {
    if (mapping.view[d] == 1) continue;
    if (product == merged[at]) {
      ++at;
      product = 1;
    }
    product *= mapping.view[d];
    if (at == merged.size() || merged[at] % product != 0) return std::nullopt;
    place.view.push_back(mapping.view[d]);
    place.block.push_back(mapping.block[d]);
    place.merged.push_back(at);
    if (mapping.deal.axis == static_cast<int32_t>(d))
      place.dealt = static_cast<int32_t>(place.view.size()) - 1;
  }
  if (place.view.empty()) return std::nullopt;
  if (merged.back() == 1 && place.merged.back() + 1 < merged.size()) {
    place.view.push_back(1);
    place.block.push_back(1);
    place.merged.push_back(merged.size() - 1);
  }
  return place;
}

int64_t largest_block(const std::vector<int64_t>& block) {
  int64_t count = 1;
  for (int64_t size : block) count *= size;
  return count;
}

// As even as can be, or as an operand lies if that is at most twice as uneven.
Place choose_place(Lowering& lowering, const Dims& dims, const std::vector<Input>& inputs) {
  const int32_t dealt = lowering.dealt(dims.out);
  Place even{dims.out,
             even_blocks(lowering.share_of(dims.out, dealt), lowering.tiles(), kGrain),
             {},
             dealt};
  for (size_t d = 0; d < dims.out.size(); ++d) even.merged.push_back(d);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (std::ranges::count(dims.repeated[i], true) > 0) continue;
    if (inputs[i].node->is(Op::Constant)) continue;
    const Value value = lowering.value(inputs[i].node);
    if (!value.whole()) continue;
    const Mapping& mapping = lowering.mapping(value.variable);
    const std::optional<Place> place = refine(mapping, dims.out);
    if (mapping.first == lowering.origin() && place && (place->dealt < 0) == (dealt < 0) &&
        largest_block(place->block) <= 2 * largest_block(even.block)) {
      return *place;
    }
  }
  return even;
}

}  // namespace

void lower_tape(Lowering& lowering, const Node& root) {
  const TapeGroup& group = lowering.fusion.tapes.at(&root);
  const TapeProgram tape = write_tape(group);
  std::vector<Input> inputs;
  for (const Node* input : tape.inputs)
    inputs.push_back(input_of(lowering, input, root.type.shape));
  const Dims dims = merge_dims(root.type.shape, inputs);
  const Place place = choose_place(lowering, dims, inputs);

  const VariableId out = lowering.result(&root, place.view, place.block, place.dealt);
  Step step(lowering, root.name, origins_of(group.nodes), "elementwise", out);
  for (const Param& param : tape.params()) step.param(param.name, param.values);
  if (const auto cast = lowering.integer_bounds.casts.find(&root);
      cast != lowering.integer_bounds.casts.end())
    step.param("within", {static_cast<double>(cast->second.most)});
  for (size_t i = 0; i < inputs.size(); ++i) {
    Shape shape = place.view;
    std::vector<RegionDim> region;
    for (size_t d = 0; d < shape.size(); ++d) {
      const bool repeated = dims.repeated[i][place.merged[d]];
      if (repeated) shape[d] = 1;
      region.push_back(repeated ? whole_dim() : along(static_cast<int32_t>(d), place.block[d]));
    }
    step.read(inputs[i].node, shape, region);
  }
  step.emit();
}

Value emit_wrap(Lowering& lowering, const std::string& name, const Node* indices, int64_t size) {
  const Value from = lowering.packed(indices);
  const int64_t count = elements(indices->type.shape);
  const std::vector<int64_t> block = even_blocks({count}, lowering.tiles(), kGrain);
  const VariableId out = lowering.temporary(name, DType::I32, {count}, block);
  Step step(lowering, name, indices->origin, "elementwise", out);
  // Registers: 0 the index, 1 zero, 2 the size; then index < 0, index + size, the choice.
  const auto op = [](Tape opcode) { return static_cast<double>(opcode); };
  step.param("domain", {1});
  step.param("tape", {op(Tape::Less), 0, 1, 0, op(Tape::Add), 0, 2, 0, op(Tape::Select), 3, 4, 0});
  step.param("constants", {0, static_cast<double>(size)});
  step.read(all_of(from.variable, {count}), {along(0, block[0])}).emit();
  return all_of(out, {count});
}

}  // namespace tessera
