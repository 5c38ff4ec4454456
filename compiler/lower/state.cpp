// SPDX-License-Identifier: Apache-2.0
#include "compiler/lower/state.h"

#include <algorithm>
#include <deque>
#include <span>

#include "compiler/plan/grid.h"
#include "program/boxes.h"
#include "support/check.h"
#include "support/float_mode.h"

namespace tessera {
namespace {

// A small tensor that every tile may want lies in blocks of this size: fewer messages to receive.
constexpr int64_t kSmallBlockBytes = 512;

int64_t small_block(int64_t elements, DType dtype, int64_t tiles) {
  const int64_t blocks =
      std::clamp(elements * size_of(dtype) / kSmallBlockBytes, int64_t{1}, tiles);
  return std::min(elements, round_up(ceil_div(elements, blocks), 8));
}

std::string make_unique(UniqueNames& names, const std::string& name) {
  const auto [found, is_new] = names.try_emplace(name, 0);
  if (is_new) return name;
  int64_t& n = found->second;
  std::string unique;
  do {
    unique = name + "_" + std::to_string(++n);
  } while (names.contains(unique));
  names.emplace(unique, 0);
  return unique;
}

// The first of `width` neighbours whose largest load is smallest.
int64_t least_loaded(std::span<const int64_t> load, int64_t width) {
  std::deque<int64_t> falling;  // places in the window, each of a larger load than those behind it
  int64_t best = 0, least = INT64_MAX;
  for (int64_t at = 0; at < std::ssize(load); ++at) {
    const auto of = [&load](int64_t place) { return load[static_cast<size_t>(place)]; };
    while (!falling.empty() && of(falling.back()) <= of(at)) falling.pop_back();
    falling.push_back(at);
    if (falling.front() <= at - width) falling.pop_front();
    if (at + 1 < width || of(falling.front()) >= least) continue;
    least = of(falling.front());
    best = at + 1 - width;
  }
  return best;
}

// On how many tiles of an IPU the blocks lie.
int64_t tiles_on_one(const Mapping& mapping) {
  const Range tiles = tiles_of(mapping);
  const Deal& deal = mapping.deal;
  if (deal.axis < 0) return tiles.size();
  const auto axis = static_cast<size_t>(deal.axis);
  const int64_t ipus = ceil_div(ceil_div(mapping.view[axis], mapping.block[axis]), deal.each);
  return tiles.size() - (ipus - 1) * deal.stride;
}

// A transpose that moves only dimensions of one element moves nothing.
bool keeps_order(const Node* transpose) {
  int64_t last = -1;
  for (int64_t dim : transpose->ints("perm")) {
    if (transpose->in[0]->type.shape[static_cast<size_t>(dim)] == 1) continue;
    if (dim < last) return false;
    last = dim;
  }
  return true;
}

constexpr bool is_always_lazy(Op op) {
  switch (op) {
#define OP(id, text, min, max, elements, how, ...) \
  case Op::id: return std::string_view(#how) == "lazy";
#include "ir/ops.def"
#undef OP
  }
  return false;
}
// Lowering::value and lazy_value know these; another must be taught to them.
#define OP(id, ...)                                                                         \
  static_assert(!is_always_lazy(Op::id) || Op::id == Op::Input || Op::id == Op::Constant || \
                Op::id == Op::Broadcast || Op::id == Op::Reshape);
#include "ir/ops.def"
#undef OP

bool is_view(const Node* node) {
  if (node->is(Op::Broadcast)) {
    return elements(node->type.shape) == elements(node->in[0]->type.shape);
  }
  return node->is(Op::Reshape) || (node->is(Op::Transpose) && keeps_order(node));
}

}  // namespace

Lowering::Lowering(const Graph& graph, const LowerOptions& options, const Deadline* deadline)
    : graph(graph),
      half_partials(options.half_partials),
      available_memory_proportion(options.available_memory_proportion),
      replicas(options.replicas),
      tensor(options.tensor),
      limits(options.limits),
      deadline(deadline),
      fusion(fuse(graph)) {
  program.name = graph.name;
  program.target = options.target;
  load_.resize(static_cast<size_t>(program.target.all_tiles()));
  for (const Output& output : graph.outputs) variable_names_.emplace(output.name, 0);
  for (const Node* input : graph.inputs) {
    variable_names_.emplace(input->name, 0);
    input_names_.insert(input->name);
  }
  for (const auto& node : graph.nodes()) {
    if (is_view(node.get())) bases_[node.get()] = base(node->in[0]);
  }
  count_constants(options.placements);
  for (const Node* input : graph.inputs) {
    const int64_t count = elements(input->type.shape);
    const VariableId id = add_variable({
        .name = input->name,
        .dtype = input->type.dtype,
        .shape = input->type.shape,
        .kind = VariableKind::Input,
        .mapping = {{count}, {small_block(count, input->type.dtype, tiles())}, TileId{0}},
    });
    program.inputs.push_back(id);
    values_[input] = all_of(id, input->type.shape);
  }
  claim_outputs();
}

int64_t Lowering::working_bytes() const {
  plans_by_share = true;
  return std::max(int64_t{1024},
                  static_cast<int64_t>(available_memory_proportion *
                                       static_cast<double>(program.target.bytes_per_tile)));
}

bool Lowering::is_lazy(const Node* node) {
  if (node->is(Op::Slice)) {
    return std::ranges::all_of(node->ints("step"), [](int64_t step) { return step == 1; });
  }
  return is_always_lazy(node->op) || is_view(node);
}

// An anchor's variable is that of the node which computes its elements, in whatever shape. The
// second anchor of a node, or that of a node which computes nothing, is a copy.
void Lowering::claim_outputs() {
  for (const Output& output : graph.outputs) {
    const Node* node = base(output.node);
    if (!is_lazy(node) || node->is(Op::Broadcast)) claims_.emplace(node, &output);
  }
}

const Node* Lowering::base(const Node* node) const {
  const auto found = bases_.find(node);
  return found == bases_.end() ? node : found->second;
}

// The name is the anchor's, but for a model that hands an input on under the input's own.
std::string Lowering::variable_of(const Output& output) {
  return input_names_.contains(output.name) ? make_unique(variable_names_, output.name + "/output")
                                            : output.name;
}

VariableId Lowering::add_variable(Variable variable) {
  program.variables.push_back(std::move(variable));
  return static_cast<VariableId>(program.variables.size() - 1);
}

VariableId Lowering::temporary(const std::string& name, DType dtype, const Shape& view,
                               const std::vector<int64_t>& block, int32_t dealt) {
  return add_variable({
      .name = make_unique(variable_names_, name),
      .dtype = dtype,
      .shape = view,
      .kind = VariableKind::Activation,
      .mapping = laid_out(view, block, origin(), dealt),
  });
}

VariableId Lowering::result(const Node* node, const Shape& view, const std::vector<int64_t>& block,
                            int32_t dealt) {
  const auto claim = claims_.find(node);
  VariableId id = -1;
  if (claim == claims_.end()) {
    id = temporary(node->name, node->type.dtype, view, block, dealt);
    program.variables[index(id)].shape = node->type.shape;
  } else {
    id = add_variable({
        .name = variable_of(*claim->second),
        .dtype = node->type.dtype,
        .shape = claim->second->node->type.shape,
        .kind = VariableKind::Output,
        .mapping = laid_out(view, block, origin(), dealt),
    });
  }
  values_[node] = all_of(id, node->type.shape);
  return id;
}

// Picks the run of tiles whose fullest tile holds least so far. The first constant of a role
// decides for all of them, so its bytes are counted once for each constant like it.
TileId Lowering::place_of(const std::string& role, const Node* constant, const Mapping& mapping) {
  const TensorType& type = constant->type;
  const std::string key = role + std::string(to_string(type.dtype)) + to_string(mapping.view) +
                          to_string(Shape(mapping.block)) + std::to_string(placement_.ipu);
  const auto [place, is_new] = places_.try_emplace(key);
  if (!is_new) return place->second;
  const int64_t blocks = tiles_on_one(mapping);
  CHECK(blocks <= tiles());
  const std::span<const int64_t> load =
      std::span(load_).subspan(origin().value, static_cast<size_t>(tiles()));
  place->second = TileId{origin().value + static_cast<uint32_t>(least_loaded(load, blocks))};
  const int64_t alike = constants_alike(constant);
  Mapping placed = mapping;
  placed.first = place->second;
  add_load(placed, alike * size_of(type.dtype));
  return place->second;
}

void Lowering::add_load(const Mapping& mapping, int64_t bytes_per_element) {
  for (int64_t k = 0; k < block_count(mapping); ++k) {
    load_[static_cast<size_t>(tile_of(mapping, k))] +=
        elements(block_at(mapping, k)) * bytes_per_element;
  }
}

VariableId Lowering::add_constant(const std::string& name, const Tensor& tensor,
                                  const Mapping& mapping) {
  const auto number = static_cast<int32_t>(constants.size());
  if (tensor.type().dtype == DType::F32 && has_subnormals(tensor.bytes())) {
    const auto owner = without_subnormals(tensor.bytes());
    constants.push_back({
        owner, {owner.get(), tensor.bytes().size()}
    });
  } else {
    // The tensor object keeps the bytes alive, wherever they are.
    const auto owner = std::make_shared<const Tensor>(tensor);
    constants.push_back({owner, owner->bytes()});
  }
  return add_variable({.name = make_unique(variable_names_, name),
                       .dtype = tensor.type().dtype,
                       .shape = tensor.type().shape,
                       .kind = VariableKind::Constant,
                       .mapping = mapping,
                       .constant = number});
}

void Lowering::place(const Node* constant, const std::string& role, const Shape& view,
                     const std::vector<int64_t>& block, int32_t dealt,
                     std::optional<TileId> first) {
  if (!constant->is(Op::Constant) || has_place(constant)) return;
  Mapping mapping = laid_out(view, block, {}, dealt);
  mapping.first = first ? *first : place_of(role, constant, mapping);
  if (first) add_load(mapping, size_of(constant->type.dtype));
  const VariableId id = add_constant(constant->name, constant->value, mapping);
  values_[constant] = all_of(id, constant->type.shape);
}

void Lowering::place_in_few_blocks(const Node* constant, const std::string& role) {
  const int64_t count = elements(constant->type.shape);
  place(constant, role, {count}, {small_block(count, constant->type.dtype, tiles())});
}

Value Lowering::value(const Node* node) {
  // A chain of views is resolved from its end: it may be longer than the stack is deep.
  std::vector<const Node*> chain;
  for (const Node* at = node; !values_.contains(at); at = at->in[0]) {
    chain.push_back(at);
    if (at->is(Op::Constant)) break;
  }
  for (; !chain.empty(); chain.pop_back()) {
    const Value value = lazy_value(chain.back());
    values_[chain.back()] = value;
  }
  return values_.at(node);
}

Value Lowering::lazy_value(const Node* node) {
  CHECK(is_lazy(node));
  if (is_view(node)) return viewed(node);
  if (node->is(Op::Slice)) return sliced(node);
  if (node->is(Op::Broadcast)) return broadcast(node);
  CHECK(node->is(Op::Constant));
  place_in_few_blocks(node, "");
  return values_.at(node);
}

// A single column is not a box once its dimension is dropped, so a trailing dimension of 1 may
// stay.
Value Lowering::viewed(const Node* node) {
  const Value from = value(node->in[0]);
  Shape shape = node->type.shape;
  if (const std::optional<Value> value = reshape(from, shape)) return *value;
  shape.push_back(1);
  if (const std::optional<Value> value = reshape(from, shape)) return *value;
  return shaped(node->in[0], node->type.shape);
}

Value Lowering::sliced(const Node* node) {
  Value value = shaped(node->in[0], node->in[0]->type.shape);
  for (size_t d = 0; d < value.box.size(); ++d) {
    Range& range = value.box[d];
    range.begin += node->ints("start")[d];
    range.end = range.begin + node->ints("size")[d];
  }
  return value;
}

Value Lowering::broadcast(const Node* node) {
  const Shape& shape = node->type.shape;
  Shape from = node->in[0]->type.shape;
  from.insert(from.begin(), shape.size() - from.size(), 1);
  CopyFrom copy{shaped(node->in[0], from), {}, std::vector<int64_t>(shape.size(), 1)};
  for (size_t d = 0; d < shape.size(); ++d) copy.perm.push_back(static_cast<int64_t>(d));
  const VariableId id =
      emit_copy(*this, node->name, node, std::move(copy), shape, result_of(*this, *node));
  return all_of(id, shape);
}

namespace {

// All of a value's box, in order.
CopyFrom straight(const Value& value) {
  CopyFrom copy{value, {}, std::vector<int64_t>(value.box.size(), 1)};
  for (size_t d = 0; d < value.box.size(); ++d) copy.perm.push_back(static_cast<int64_t>(d));
  return copy;
}

}  // namespace

Value Lowering::packed(const Node* node) {
  const auto found = packed_.find(node);
  if (found != packed_.end()) return found->second;
  Value value = this->value(node);
  if (!value.whole()) {
    const VariableId id =
        emit_copy(*this, node->name + "/copy", node, straight(value), value.shape(),
                  temporary_of(*this, node->name, node->type.dtype));
    value = all_of(id, node->type.shape);
  }
  packed_[node] = value;
  return value;
}

Value Lowering::shaped(const Node* node, const Shape& shape) {
  if (const std::optional<Value> value = reshape(this->value(node), shape)) return *value;
  return all_of(packed(node).variable, shape);
}

std::string Lowering::step_name(const std::string& name) { return make_unique(step_names_, name); }

void Lowering::finish_outputs() {
  for (const Output& output : graph.outputs) {
    const Node* base = this->base(output.node);
    const auto claim = claims_.find(base);
    if (claim != claims_.end() && claim->second == &output) {
      program.outputs.push_back(value(base).variable);
      continue;
    }
    program.outputs.push_back(
        emit_copy(*this, output.name + "/copy", output.node,
                  straight(shaped(output.node, output.node->type.shape)), output.node->type.shape,
                  [&](const Shape& view, const std::vector<int64_t>& block, int32_t dealt) {
                    return add_variable({
                        .name = variable_of(output),
                        .dtype = output.node->type.dtype,
                        .shape = output.node->type.shape,
                        .kind = VariableKind::Output,
                        .mapping = laid_out(view, block, origin(), dealt),
                    });
                  }));
  }
}

}  // namespace tessera
