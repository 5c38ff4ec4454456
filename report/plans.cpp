// SPDX-License-Identifier: Apache-2.0
#include "report/plans.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <tuple>

#include "codelets/codelet.h"
#include "compiler/option_values.h"
#include "compiler/plan/matmul.h"
#include "support/math.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostPlans = 12;

const Variable& variable_of(const Program& program, const Region& region) {
  return program.variables[static_cast<size_t>(region.variable)];
}

// A matmul of the Program, as its lowering cut it (compiler/lower/matmul.cpp).
struct Cut {
  MatmulShape shape;
  MatmulPlan plan;
};

// The superstep that adds up the partial sums that `step` writes.
const Superstep* sum_of(const Program& program, const Superstep& step) {
  const VariableId partials = step.compute.operands.back().region.variable;
  for (const Superstep& other : program.supersteps)
    if (other.compute.codelet == "reduce_partials" &&
        other.compute.operands.front().region.variable == partials)
      return &other;
  return nullptr;
}

// The last superstep of a sum that is added up in turns: each adds to what the one before wrote.
const Superstep* last_turn(const Program& program, const Superstep& first) {
  const Superstep* last = &first;
  for (const Superstep& other : program.supersteps)
    if (other.compute.codelet == "matmul" && other.compute.operands.size() == 4 &&
        other.compute.operands[2].region.variable ==
            last->compute.operands.back().region.variable &&
        other.compute.operands[1].region.variable == first.compute.operands[1].region.variable)
      last = &other;
  return last;
}

// Work that several IPUs do together is planned as the share of one, with its sums cut as they are.
void take_share(const VertexGrid& grid, Cut& cut) {
  int64_t* const sizes[] = {&cut.shape.g, &cut.shape.m, &cut.shape.n};
  const auto axis = static_cast<size_t>(grid.deal.axis);
  if (grid.deal.axis < 0 || axis >= std::size(sizes)) return;
  *sizes[axis] = ceil_div(*sizes[axis], ceil_div(grid.extent[axis], grid.deal.each));
  if (cut.shape.shared_b) cut.shape.sum_block = cut.plan.k;
}

// None where the operands are not as a matmul's lowering leaves them.
std::optional<Cut> cut_of(const Program& program, const Superstep& step) {
  const ComputeSet& set = step.compute;
  if (set.codelet != "matmul" || set.operands.size() < 3) return std::nullopt;
  const Region& a = set.operands[0].region;
  const Region& b = set.operands[1].region;
  if (a.view.size() != 3 || b.view.size() != 3) return std::nullopt;
  const bool shared = b.view[0] == 1;
  const bool in_parts = a.dims[2].size < a.view[2];
  const bool in_terms = in_parts && a.dims[2].axis < 0;
  const Superstep& made = in_terms ? *last_turn(program, step) : step;
  const Superstep* last = in_parts ? sum_of(program, made) : &step;
  if (last == nullptr) return std::nullopt;
  Cut cut;
  cut.shape = {.g = shared ? 1 : a.view[0],
               .m = shared ? a.view[0] * a.view[1] : a.view[1],
               .k = a.view[2],
               .n = b.view[2],
               .shared_b = shared,
               .dtype = variable_of(program, a).dtype,
               .partials = variable_of(program, set.operands.back().region).dtype,
               .bias = param(last->compute.params, "bias") != 0,
               .residual = param(last->compute.params, "residual") != 0,
               .activation = static_cast<int>(param(last->compute.params, "activation"))};
  cut.plan = {.g = shared ? 1 : a.dims[0].size,
              .m = a.dims[1].size,
              .k = a.dims[2].size,
              .n = b.dims[2].size,
              .serial = in_terms ? a.view[2] / a.dims[2].size
                        : shared ? a.view[0]
                                 : 1,
              .along = in_terms ? Serial::Terms : Serial::Rows};
  take_share(set.grid, cut);
  return cut;
}

auto sizes_of(const MatmulPlan& plan) {
  return std::tuple(plan.along, plan.serial, plan.g, plan.m, plan.k, plan.n);
}

Json plan_json(const MatmulPlan& plan, const MatmulPlan& chosen) {
  return {
      {"serial", plan.serial                                  },
      {"along",  plan.along == Serial::Rows ? "rows" : "terms"},
      {"g",      plan.g                                       },
      {"m",      plan.m                                       },
      {"k",      plan.k                                       },
      {"n",      plan.n                                       },
      {"cycles", plan.cycles                                  },
      {"bytes",  plan.bytes                                   },
      {"chosen", sizes_of(plan) == sizes_of(chosen)           }
  };
}

Json cut_json(const Cut& cut, const Target& target) {
  const MatmulShape& shape = cut.shape;
  const MatmulPlans plans = matmul_plans(shape, target, cut.plan);
  Json listed = Json::array();
  bool has_chosen = false;
  for (const MatmulPlan& plan : plans.cheapest) {
    const bool is_chosen = sizes_of(plan) == sizes_of(cut.plan);
    if (listed.size() >= kMostPlans && !is_chosen) continue;
    has_chosen |= is_chosen;
    listed.push_back(plan_json(plan, cut.plan));
  }
  return {
      {"g", shape.g},
      {"m", shape.m},
      {"k", shape.k},
      {"n", shape.n},
      {"dtype", to_string(shape.dtype)},
      {"bias", shape.bias},
      {"residual", shape.residual},
      {"activation", shape.activation},
      {"chosen", plan_json(cut.plan, cut.plan)},
      {"found", has_chosen},
      {"considered", plans.considered},
      {"cheapest", listed}
  };
}

}  // namespace

Json plans_json(const Executable& executable, Json& supersteps) {
  const Program& program = executable.program;
  using Sizes = decltype(sizes_of(MatmulPlan{}));
  std::map<std::pair<MatmulShape, Sizes>, size_t> known;
  Json plans = Json::array();
  for (size_t i = 0; i < program.supersteps.size(); ++i) {
    const std::optional<Cut> cut = cut_of(program, program.supersteps[i]);
    if (!cut) continue;
    const auto [at, is_new] =
        known.try_emplace(std::pair(cut->shape, sizes_of(cut->plan)), plans.size());
    if (is_new) plans.push_back(cut_json(*cut, program.target));
    supersteps[i]["plan"] = at->second;
  }
  return plans;
}

}  // namespace tessera
