// SPDX-License-Identifier: Apache-2.0
// A matmul with what follows it: one superstep, or two where the planner cuts the sum. The bias,
// activation and residual belong to whichever step makes the final numbers.
#include "compiler/lower/state.h"
#include "compiler/plan/grid.h"
#include "compiler/plan/vertex_cost.h"

namespace tessera {
namespace {

struct Sizes {
  MatmulShape shape;
  Shape a, b, out;  // views: [g,m,k] [g|1,k,n] [g,m,n]
};

Sizes sizes_of(const Lowering& lowering, const MatmulChain& chain) {
  const Shape& a = chain.matmul->in[0]->type.shape;
  const Shape& b = chain.matmul->in[1]->type.shape;
  MatmulShape shape{.k = a.back(),
                    .n = b.back(),
                    .shared_b = b.size() == 2,
                    .dtype = chain.matmul->type.dtype,
                    .bias = chain.bias != nullptr,
                    .residual = chain.residual != nullptr,
                    .activation = chain.activation};
  if (shape.dtype == DType::F16 && lowering.options.partials_type == PartialsType::Half) {
    shape.partials = DType::F16;
  }
  // With one b, batches are only more rows.
  for (size_t d = 0; d + 2 < a.size(); ++d) (shape.shared_b ? shape.m : shape.g) *= a[d];
  shape.m *= a[a.size() - 2];
  const int64_t b_groups = shape.shared_b ? 1 : shape.g;
  return {
      shape,
      {shape.g,  shape.m, shape.k},
      {b_groups, shape.k, shape.n},
      {shape.g,  shape.m, shape.n}
  };
}

MatmulPlan plan_for(Lowering& lowering, const MatmulShape& shape) {
  const auto [plan, is_new] = lowering.matmul_plans.try_emplace(shape);
  if (is_new) plan->second = plan_matmul(shape, lowering.program.target, lowering.working_bytes());
  return plan->second;
}

// A weight is cut along n as the vertices read it, and along k so that all tiles hold some: what a
// vertex receives is then whole blocks.
void place_weight(Lowering& lowering, const Node* weight, const Sizes& sizes,
                  const MatmulPlan& plan) {
  if (!sizes.shape.shared_b) return;
  const int64_t n_parts = ceil_div(sizes.shape.n, plan.n);
  const int64_t k_parts = std::max<int64_t>(1, lowering.tiles() / n_parts);
  lowering.place(weight, "weight", sizes.b, {1, ceil_div(sizes.shape.k, k_parts), plan.n});
}

std::vector<std::string> origins(const std::vector<const Node*>& nodes) {
  std::vector<std::string> names;
  for (const Node* node : nodes)
    names.insert(names.end(), node->origin.begin(), node->origin.end());
  return names;
}

void add_params(Step& step, const std::vector<Param>& params) {
  for (const Param& param : params) step.param(param.name, param.values);
}

// Reads a and b. In a grid cut along k, axis 0 counts the parts of the sum instead of g.
void read_factors(Step& step, const MatmulChain& chain, const Sizes& sizes,
                  const MatmulPlan& plan) {
  const bool cut_k = plan.k < sizes.shape.k;
  const RegionDim g = cut_k || sizes.shape.g == 1 ? whole_dim() : along(0, plan.g);
  const RegionDim k = cut_k ? along(0, plan.k) : whole_dim();
  step.read(chain.matmul->in[0], sizes.a, {g, along(1, plan.m), k});
  step.read(chain.matmul->in[1], sizes.b,
            {sizes.shape.shared_b ? whole_dim() : g, k, along(2, plan.n)});
}

void lower_whole(Lowering& lowering, const MatmulChain& chain, const Sizes& sizes,
                 const MatmulPlan& plan) {
  const VariableId out = lowering.result(chain.last, sizes.out, {plan.g, plan.m, plan.n});
  Step step(lowering, chain.last->name, origins(chain.nodes), "matmul", out);
  add_params(step, epilogue_params(chain.bias, chain.residual, chain.activation));
  read_factors(step, chain, sizes, plan);
  if (chain.bias != nullptr) {
    lowering.place(chain.bias, "bias", {sizes.shape.n}, {plan.n});
    step.read(chain.bias, {sizes.shape.n}, {along(2, plan.n)});
  }
  if (chain.residual != nullptr) {
    step.read(chain.residual, sizes.out, {along(0, plan.g), along(1, plan.m), along(2, plan.n)});
  }
  step.emit();
}

void lower_in_parts(Lowering& lowering, const MatmulChain& chain, const Sizes& sizes,
                    const MatmulPlan& plan) {
  const MatmulShape& shape = sizes.shape;
  const Shape parts{ceil_div(shape.k, plan.k), shape.m, shape.n};
  const std::string& name = chain.last->name;
  const VariableId partials =
      lowering.temporary(name + "/partials", shape.partials, parts, {1, plan.m, plan.n});
  Step product(lowering, name + "/partials", origins({chain.matmul}), "matmul", partials);
  add_params(product, epilogue_params(false, false, 0));
  read_factors(product, chain, sizes, plan);
  product.emit();

  const Shape rows{shape.m, shape.n};
  const std::vector<int64_t> block = blocks_within(rows, plan.n, lowering.tiles());
  const VariableId out = lowering.result(chain.last, rows, block);
  Step sum(lowering, name, origins(chain.nodes), "reduce_partials", out);
  add_params(sum, epilogue_params(chain.bias, chain.residual, chain.activation));
  sum.read(all_of(partials, parts), {whole_dim(), along(0, block[0]), along(1, block[1])});
  if (chain.bias != nullptr) sum.read(chain.bias, {shape.n}, {along(1, block[1])});
  if (chain.residual != nullptr) {
    sum.read(chain.residual, rows, {along(0, block[0]), along(1, block[1])});
  }
  sum.emit();
}

}  // namespace

void lower_matmul(Lowering& lowering, const MatmulChain& chain) {
  const Sizes sizes = sizes_of(lowering, chain);
  const MatmulPlan plan = plan_for(lowering, sizes.shape);
  place_weight(lowering, chain.matmul->in[1], sizes, plan);
  if (plan.k < sizes.shape.k) {
    lower_in_parts(lowering, chain, sizes, plan);
  } else {
    lower_whole(lowering, chain, sizes, plan);
  }
}

}  // namespace tessera
