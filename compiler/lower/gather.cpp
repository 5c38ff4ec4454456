// SPDX-License-Identifier: Apache-2.0
// Rows of a table by number. A large table never moves: each tile holds a block of it, answers for
// the numbers that fall into its rows, with zeros for the others, and the answers are summed.
#include "compiler/plan/gather.h"

#include <algorithm>

#include "compiler/lower/state.h"
#include "compiler/plan/grid.h"
#include "compiler/plan/vertex_cost.h"

namespace tessera {
namespace {

struct Lookup {
  GatherShape shape;
  GatherPlan plan;
  Value table, indices;  // [p,v,n] and [t], whole
  bool dealt = false;    // each IPU has its columns of the table, [n]
};

Lookup plan_lookup(const Lowering& lowering, const TensorType& table, size_t axis, int64_t t,
                   bool stays, bool checked) {
  Lookup lookup;
  lookup.shape = {.v = table.shape[axis],
                  .t = t,
                  .dtype = table.dtype,
                  .table_stays = stays,
                  .checked = checked};
  for (size_t d = 0; d < table.shape.size(); ++d) {
    if (d != axis) (d < axis ? lookup.shape.p : lookup.shape.n) *= table.shape[d];
  }
  lookup.dealt = lowering.together() > 1 && lookup.shape.n % lowering.together() == 0;
  GatherShape share = lookup.shape;
  if (lookup.dealt) share.n = lowering.share(share.n);
  lookup.plan =
      plan_gather(share, lowering.program.target, lowering.working_bytes(), lowering.deadline);
  return lookup;
}

std::vector<double> sizes_of(const Shape& shape) { return {shape.begin(), shape.end()}; }

VariableId emit_lookup(Lowering& lowering, const std::string& name, const Node* node,
                       const Lookup& lookup, const MakeVariable& make) {
  const auto& [shape, plan, table, indices, is_dealt] = lookup;
  const int64_t parts = ceil_div(shape.v, plan.v);
  const Shape answers{parts, shape.p, shape.t, shape.n};
  const std::vector<int64_t> block{1, plan.p, plan.t, plan.n};
  const int32_t dealt = is_dealt ? 3 : -1;
  const VariableId out =
      parts == 1 ? make(answers, block, dealt)
                 : lowering.temporary(name + "/partials", shape.dtype, answers, block, dealt);
  Step look(lowering, parts == 1 ? name : name + "/partials", node->origin, "gather", out);
  if (shape.checked)
    look.param("rows", {static_cast<double>(shape.v)})
        .param("cells", {belong_to_cells(node->in[1]) ? 1.0 : 0.0})
        .param("shape", sizes_of(node->in[1]->type.shape));
  look.read(table, {along(1, plan.p), along(0, plan.v), along(3, plan.n)});
  look.read(indices, {along(2, plan.t)}).emit();
  if (parts == 1) return out;

  const Shape rows{shape.p * shape.t, shape.n};
  const int32_t dealt_rows = is_dealt ? 1 : -1;
  const std::vector<int64_t> row_block =
      blocks_within(lowering.share_of(rows, dealt_rows), plan.n, lowering.tiles());
  const VariableId sum =
      make({1, rows[0], rows[1]}, {1, row_block[0], row_block[1]}, is_dealt ? 2 : -1);
  Step add(lowering, name, node->origin, "reduce_partials", sum);
  for (const Param& param : epilogue_params(false, false, 0)) add.param(param.name, param.values);
  add.read(all_of(out, {parts, rows[0], rows[1]}),
           {whole_dim(), along(1, row_block[0]), along(2, row_block[1])});
  add.emit();
  return sum;
}

// A table that stays lies as the vertices read it; one that is sent, in the same columns.
void place_table(Lowering& lowering, const Node* table, const Lookup& lookup) {
  const auto& [shape, plan, unused, unused_too, is_dealt] = lookup;
  const Shape view{shape.p, shape.v, shape.n};
  const int32_t dealt = is_dealt ? 2 : -1;
  if (plan.t == shape.t) {
    lowering.place(table, "table", view, {plan.p, plan.v, plan.n}, dealt, lowering.origin());
    return;
  }
  const int64_t n = lowering.share_of(view, dealt)[2];
  const int64_t parts = ceil_div(shape.p, plan.p) * ceil_div(n, plan.n);
  const int64_t v_parts = std::max<int64_t>(1, lowering.tiles() / parts);
  lowering.place(table, "table", view, {plan.p, ceil_div(shape.v, v_parts), plan.n}, dealt);
}

// The intervals of the model's values, found once for all gathers whose indices are computed.
const IndexRanges& index_ranges(Lowering& lowering) {
  if (!lowering.index_ranges) lowering.index_ranges.emplace(lowering.graph);
  return *lowering.index_ranges;
}

// An input or a constant behind reshapes and broadcasts, else null.
const Node* given_indices(const Node* indices) {
  constexpr int kFarthest = 64;  // behind more they may be anything
  for (int i = 0; i < kFarthest && (indices->is(Op::Reshape) || indices->is(Op::Broadcast)); ++i)
    indices = indices->in[0];
  return indices->is(Op::Input) || indices->is(Op::Constant) ? indices : nullptr;
}

// Turns negative indices, which count from the end, into indices from the start. An index that is
// known not to be negative stays as it is.
Value wrapped_indices(Lowering& lowering, const Node& node, int64_t rows) {
  const Node* indices = node.in[1];
  const std::optional<Interval> range = index_ranges(lowering).of(indices);
  if (given_indices(indices) && range && range->low >= 0) return lowering.packed(indices);
  return emit_wrap(lowering, node.name + "/indices", indices, rows);
}

// No run could look this up.
Error not_in_table(const Node& node, const Interval& range, int64_t rows) {
  const double index = range.low < static_cast<double>(-rows) ? range.low : range.high;
  const std::string& name = node.origin.empty() ? node.name : node.origin.back();
  return Error{"node '" + name + "' (gather): index " +
               std::to_string(static_cast<int64_t>(index)) + ", which is constant, must be in " +
               std::to_string(-rows) + ".." + std::to_string(rows - 1) + ", as its table has " +
               std::to_string(rows) + " rows"};
}

}  // namespace

void lower_gather(Lowering& lowering, const Node& node) {
  const Node* table = node.in[0];
  const Node* indices = node.in[1];
  const int64_t t = elements(indices->type.shape);
  const auto axis = static_cast<size_t>(node.int_attr("axis"));
  const int64_t rows = table->type.shape[axis];
  const bool proved = index_ranges(lowering).are_rows(indices, rows);
  const Node* given = given_indices(indices);
  if (!proved && given && given->is(Op::Constant)) {
    lowering.problem = not_in_table(node, *index_ranges(lowering).of(given), rows);
    return;
  }
  const bool stays = table->is(Op::Constant) && !lowering.has_place(table);
  Lookup lookup = plan_lookup(lowering, table->type, axis, t, stays, !proved);
  if (stays) place_table(lowering, table, lookup);
  const GatherShape& shape = lookup.shape;
  lookup.table = all_of(lowering.packed(table).variable, {shape.p, shape.v, shape.n});
  lookup.indices = all_of(wrapped_indices(lowering, node, shape.v).variable, {t});
  emit_lookup(lowering, node.name, &node, lookup, result_of(lowering, node));
}

VariableId emit_take(Lowering& lowering, const std::string& name, const Node* node,
                     const Value& from, size_t dim, const std::vector<int32_t>& numbers,
                     const MakeVariable& make) {
  const auto t = static_cast<int64_t>(numbers.size());
  Lookup lookup = plan_lookup(lowering, {node->type.dtype, from.view}, dim, t, false, false);
  const GatherShape& shape = lookup.shape;
  lookup.table = all_of(from.variable, {shape.p, shape.v, shape.n});
  const Tensor order = Tensor::copy({DType::I32, {t}}, std::as_bytes(std::span(numbers)));
  lookup.indices =
      all_of(lowering.add_constant(name + "/order", order, {{t}, {t}, lowering.origin()}), {t});
  return emit_lookup(lowering, name, node, lookup, make);
}

}  // namespace tessera
