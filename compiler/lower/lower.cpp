// SPDX-License-Identifier: Apache-2.0
#include "compiler/lower/lower.h"

#include <fmt/format.h>

#include <algorithm>

#include "compiler/lower/state.h"
#include "ir/verify.h"
#include "program/verify.h"

namespace tessera {
namespace {

// Only concat may have an empty operand; every other op rejects values without elements.
Status check_elements(const Graph& graph) {
  for (const auto& node : graph.nodes()) {
    if (node->is(Op::Input) && elements(node->type.shape) == 0) return without_elements(*node);
    if (node->is(Op::Constant) && !node->value.has_data()) {
      return Error{node->name + ": constant has no data, must have it to be compiled"};
    }
    if (node->is(Op::Concat) || elements(node->type.shape) == 0) continue;
    for (const Node* operand : node->in) {
      if (elements(operand->type.shape) == 0) return without_elements(*operand);
    }
  }
  for (const Output& output : graph.outputs) {
    if (elements(output.node->type.shape) == 0) return without_elements(*output.node);
  }
  return {};
}

// Whether the Program is already larger than verify_program takes.
Status check_size(const Lowering& lowering, size_t variables, size_t supersteps) {
  const auto tiles = static_cast<size_t>(lowering.program.target.all_tiles());
  const size_t most = std::min(kMaxSupersteps, static_cast<size_t>(kMaxSteps) / tiles);
  const auto refuse = [](size_t count, const char* what, size_t limit, const std::string& why) {
    return Error{fmt::format("the model becomes at least {} {}, must be at most {}{}", count, what,
                             limit, why),
                 ErrorKind::Refused, "limit"};
  };
  if (variables > kMaxVariables) return refuse(variables, "variables", kMaxVariables, "");
  if (supersteps > most)
    return refuse(supersteps, "supersteps", most, fmt::format(" on {} tiles", tiles));
  return check_limit(lowering.limits, &Limits::vertices, lowering.vertices, "the model");
}

// Nodes of one part keep their order.
void sort_by_part(std::vector<const Node*>& computed, const Placements& placements) {
  if (placements.empty()) return;
  std::ranges::stable_sort(computed, {},
                           [&](const Node* node) { return placements.at(node).part; });
}

void lower_node(Lowering& lowering, const Node& node) {
  // The last of what a matmul takes along, whatever op that is.
  if (lowering.fusion.matmuls.contains(&node)) return lower_matmul(lowering, node);
  if (lowering.fusion.integer_matmuls.contains(&node)) return lower_matmul_integer(lowering, node);
  switch (node.op) {
#define OP(id, text, min, max, elements, how, ...) \
  case Op::id: return lower_##how(lowering, node);
#include "ir/ops.def"
#undef OP
  }
}

}  // namespace

// Nothing to do: whoever reads the value finds where it lies (Lowering::value).
void lower_lazy(Lowering&, const Node&) {}

std::map<std::string, int64_t> index_limits(const Graph& graph) {
  std::map<std::string, int64_t> limits;
  std::unordered_map<const Node*, const Node*> reshaped;  // what each reshape reshapes in the end
  for (const auto& node : graph.nodes()) {
    if (node->is(Op::Reshape)) {
      const auto before = reshaped.find(node->in[0]);
      reshaped[node.get()] = before == reshaped.end() ? node->in[0] : before->second;
    }
    if (!node->is(Op::Gather)) continue;
    const Node* indices = node->in[1];
    if (indices->is(Op::Reshape)) indices = reshaped.at(indices);
    if (!indices->is(Op::Input)) continue;
    const auto axis = static_cast<size_t>(node->int_attr("axis"));
    const int64_t rows = node->in[0]->type.shape[axis];
    const auto [limit, is_new] = limits.emplace(indices->name, rows);
    if (!is_new) limit->second = std::min(limit->second, rows);
  }
  return limits;
}

Expected<Lowered> lower(const Graph& graph, const LowerOptions& options, const Deadline* deadline) {
  TRY(check_elements(graph));
  IntegerBounds integer_bounds = TRY(find_integer_bounds(graph, options.declared));
  Lowering lowering(graph, options, deadline);
  lowering.integer_bounds = std::move(integer_bounds);
  std::vector<const Node*> computed;
  for (const auto& node : graph.nodes()) {
    if (Lowering::is_lazy(node.get()) || lowering.fusion.absorbed.contains(node.get())) continue;
    if (elements(node->type.shape) > 0) computed.push_back(node.get());
  }
  sort_by_part(computed, options.placements);
  // Each makes a superstep and a variable at least, so most of what is too large is known now.
  const size_t inputs = lowering.program.variables.size();
  TRY(check_size(lowering, inputs + computed.size(), computed.size()));
  std::vector<const Node*> node_of_step;
  for (int64_t done = 0; const Node* node : computed) {
    if (!options.placements.empty()) lowering.move_to(options.placements.at(node));
    lower_node(lowering, *node);
    node_of_step.resize(lowering.program.supersteps.size(), node);
    TRY(lowering.problem);
    TRY(check_size(lowering, lowering.program.variables.size(),
                   lowering.program.supersteps.size()));
    if (deadline) TRY(deadline->check("lower", ++done, std::ssize(computed)));
  }
  lowering.finish_outputs();
  node_of_step.resize(lowering.program.supersteps.size());
  TRY(check_size(lowering, lowering.program.variables.size(), lowering.program.supersteps.size()));
  return Lowered{std::move(lowering.program),
                 std::move(lowering.constants),
                 std::move(lowering.integer_bounds.inputs),
                 lowering.plans_by_share,
                 std::move(node_of_step),
                 options.available_memory_proportion};
}

}  // namespace tessera
