// SPDX-License-Identifier: Apache-2.0
// A matmul with what follows it: one superstep, or two where the planner cuts the sum, for each
// part of the rows that is done in turn; or one for each part of the terms, and a last one. The
// bias, activation and residual belong to whichever step makes the final numbers.
#include "compiler/lower/matmul.h"

#include "compiler/lower/state.h"
#include "compiler/plan/grid.h"
#include "compiler/plan/vertex_cost.h"
#include "program/boxes.h"

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
                    .activation = chain.activation,
                    .fp8 = chain.matmul->is(Op::MatMulFp8)};
  // Poplar has no other partials of fp8.
  if (shape.dtype == DType::F16 && (lowering.half_partials || shape.fp8))
    shape.partials = DType::F16;
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

}  // namespace

MatmulPlan plan_for(Lowering& lowering, const MatmulShape& shape) {
  const auto [plan, is_new] = lowering.matmul_plans.try_emplace(shape);
  if (is_new)
    plan->second =
        plan_matmul(shape, lowering.program.target, lowering.working_bytes(), lowering.deadline);
  return plan->second;
}

namespace {

// In f16 it depends on the number of rows how a sum is cut, and in both types on the columns.
void cut_as_whole(Lowering& lowering, MatmulShape& part, MatmulShape whole) {
  const bool is_share = lowering.replicas > 1 && whole.dtype == DType::F16;
  if (!whole.shared_b || (!is_share && lowering.together() == 1)) return;
  if (is_share) whole.m *= lowering.replicas;
  const MatmulPlan plan = plan_for(lowering, whole);
  part.sum_block = plan.k;
  part.in_turns = whole.dtype == DType::F16 && plan.along == Serial::Terms && plan.serial > 1;
}

}  // namespace

int32_t dealt_matmul(const Lowering& lowering, const MatmulShape& shape) {
  const int64_t ipus = lowering.together();
  constexpr int64_t kGrain = 16;
  if (ipus == 1) return -1;
  if (!shape.shared_b) return lowering.dealt({shape.g, shape.m});
  const bool rows = shape.m % ipus == 0, columns = shape.n >= kGrain * ipus;
  if (!rows || !columns) return rows ? 1 : columns ? 2 : -1;
  if (lowering.tensor == TensorSplit::Columns) return 2;
  if (lowering.tensor == TensorSplit::Rows) return 1;
  // By rows all weights are sent, by columns the operand and then the result.
  return shape.k * shape.n <= shape.m * (shape.k + shape.n / ipus) ? 1 : 2;
}

MatmulShape share_of(const Lowering& lowering, MatmulShape shape, int32_t dealt) {
  int64_t* const sizes[] = {&shape.g, &shape.m, &shape.n};
  if (dealt >= 0) *sizes[dealt] = lowering.share(*sizes[dealt]);
  return shape;
}

// So that all tiles hold some, and what a vertex receives is whole blocks. Weights fill most of a
// tile, so the evenest cut is taken; of cuts within a fiftieth of it, the one with the widest
// blocks. Where all of those are uneven, any sixteens will do.
std::vector<int64_t> weight_block(int64_t k, int64_t n, int64_t plan_n, int64_t tiles) {
  constexpr int64_t kGrain = 16;
  std::vector<int64_t> best{1, k, plan_n};
  int64_t least = INT64_MAX / 64;
  const auto consider = [&](int64_t width) {
    const int64_t n_parts = ceil_div(n, width);
    if (n_parts > tiles) return;
    const int64_t height = ceil_div(k, tiles / n_parts);
    if (height * width * 50 >= least * 49) return;
    least = height * width;
    best = {1, height, width};
  };
  for (int64_t width : dividing_block_sizes(plan_n, plan_n, std::min(kGrain, plan_n)))
    consider(width);
  const int64_t even = ceil_div(k * n, tiles);
  if (least * 50 > even * 52)
    for (int64_t width : block_sizes(n, tiles, kGrain)) consider(width);
  return best;
}

void place_weight(Lowering& lowering, const Node* weight, const MatmulShape& shape,
                  const MatmulPlan& plan) {
  if (!shape.shared_b || !weight->is(Op::Constant) || lowering.has_place(weight)) return;
  const int64_t n = lowering.share(shape.n);
  lowering.place(weight, "weight", {1, shape.k, shape.n},
                 weight_block(shape.k, n, std::min(n, plan.n), lowering.tiles()), 2);
}

namespace {

void add_params(Step& step, const std::vector<Param>& params) {
  for (const Param& param : params) step.param(param.name, param.values);
}

// One vertex's operands and result for the rows that are done at once, part `turn` of all.
class MatmulSteps {
 public:
  MatmulSteps(Lowering& lowering, const MatmulChain& chain, const Sizes& sizes,
              const MatmulPlan& plan, int32_t dealt)
      : lowering_(lowering),
        chain_(chain),
        plan_(plan),
        dealt_(dealt),
        shape_(sizes.shape),
        a_(sizes.a),
        b_(sizes.b),
        out_(sizes.out) {
    if (!shape_.shared_b || plan.along != Serial::Rows) return;
    a_ = {plan.serial, shape_.m / plan.serial, shape_.k};
    out_ = {plan.serial, shape_.m / plan.serial, shape_.n};
  }

  void emit() {
    if (plan_.along == Serial::Terms && plan_.serial > 1) return in_terms();
    const bool in_parts = plan_.k < shape_.k;
    const std::vector<int64_t> block =
        in_parts ? sum_block() : std::vector<int64_t>{group(), plan_.m, plan_.n};
    const VariableId out = lowering_.result(chain_.last, out_, block, dealt_);
    if (chain_.bias != nullptr && !in_parts) place_bias(block[2]);
    for (int64_t turn = 0; turn < plan_.serial; ++turn) {
      if (in_parts) {
        sum(out, block, product_in_parts(turn), turn);
      } else {
        whole(out, block, turn);
      }
    }
  }

 private:
  void place_bias(int64_t block) {
    lowering_.place(chain_.bias, "bias", {shape_.n}, {block}, dealt_ == 2 ? 0 : -1);
  }

  // Each part of the terms is added to the sum so far, on the tiles of the result.
  void in_terms() {
    const std::vector<int64_t> block{1, plan_.m, plan_.n};
    VariableId sum = -1;
    for (int64_t turn = 0; turn < plan_.serial; ++turn) sum = more_terms(turn, sum);
    const VariableId out = lowering_.result(chain_.last, out_, block, dealt_);
    if (chain_.bias != nullptr) place_bias(block[2]);
    Step step(lowering_, chain_.last->name, origins_of(chain_.nodes), "reduce_partials", out);
    add_params(step, epilogue_params(chain_.bias, chain_.residual, chain_.activation));
    step.read(all_of(sum, out_), {whole_dim(), along(1, block[1]), along(2, block[2])});
    finish(step, block, 0);
  }

  void add_product_params(Step& step, bool bias, bool residual, int activation) {
    add_params(step, epilogue_params(bias, residual, activation));
    if (shape_.fp8) step.param("scale", {static_cast<double>(chain_.matmul->int_attr("scale"))});
  }

  VariableId more_terms(int64_t turn, VariableId before) {
    const std::string name = chain_.last->name + "/sum";
    const VariableId sum =
        lowering_.temporary(name, shape_.partials, out_, {1, plan_.m, plan_.n}, dealt_);
    const RegionDim terms{-1, turn * plan_.k, 0, plan_.k};
    Step step(lowering_, name, origins_of({chain_.matmul}), "matmul", sum);
    add_product_params(step, false, before >= 0, 0);
    step.read(chain_.matmul->in[0], a_, {whole_dim(), along(1, plan_.m), terms});
    step.read(chain_.matmul->in[1], b_, {whole_dim(), terms, along(2, plan_.n)});
    if (before >= 0)
      step.read(all_of(before, out_), {whole_dim(), along(1, plan_.m), along(2, plan_.n)});
    step.emit();
    return sum;
  }

  // Groups of the result: batches are cut, and rows that are done in turn are not.
  int64_t group() const { return shape_.shared_b ? plan_.serial : plan_.g; }
  RegionDim group_dim(int64_t turn) const {
    return shape_.shared_b ? only_dim(turn) : along(0, plan_.g);
  }
  std::vector<int64_t> sum_block() const {
    const Shape share = lowering_.share_of(out_, dealt_);
    const std::vector<int64_t> block =
        blocks_within({share[1], share[2]}, plan_.n, lowering_.tiles());
    return {plan_.serial, block[0], block[1]};
  }

  void whole(VariableId out, const std::vector<int64_t>& block, int64_t turn) {
    Step step(lowering_, chain_.last->name, origins_of(chain_.nodes), "matmul", out);
    add_product_params(step, chain_.bias, chain_.residual, chain_.activation);
    const RegionDim group = group_dim(turn);
    step.read(chain_.matmul->in[0], a_, {group, along(1, plan_.m), whole_dim()});
    step.read(chain_.matmul->in[1], b_,
              {shape_.shared_b ? whole_dim() : group, whole_dim(), along(2, plan_.n)});
    finish(step, block, turn);
  }

  // In a grid cut along k, axis 0 counts the parts of the sum.
  VariableId product_in_parts(int64_t turn) {
    const std::string name = chain_.last->name + "/partials";
    const VariableId partials =
        lowering_.temporary(name, shape_.partials, partials_view(), {1, plan_.m, plan_.n}, dealt_);
    Step step(lowering_, name, origins_of({chain_.matmul}), "matmul", partials);
    add_product_params(step, false, false, 0);
    step.read(chain_.matmul->in[0], a_, {only_dim(turn), along(1, plan_.m), along(0, plan_.k)});
    step.read(chain_.matmul->in[1], b_, {whole_dim(), along(0, plan_.k), along(2, plan_.n)});
    step.emit();
    return partials;
  }
  Shape partials_view() const { return {ceil_div(shape_.k, plan_.k), out_[1], out_[2]}; }

  void sum(VariableId out, const std::vector<int64_t>& block, VariableId partials, int64_t turn) {
    Step step(lowering_, chain_.last->name, origins_of(chain_.nodes), "reduce_partials", out);
    add_params(step, epilogue_params(chain_.bias, chain_.residual, chain_.activation));
    step.read(all_of(partials, partials_view()),
              {whole_dim(), along(1, block[1]), along(2, block[2])});
    finish(step, block, turn);
  }

  // The epilogue's operands, and the part of the result that this step makes.
  void finish(Step& step, const std::vector<int64_t>& block, int64_t turn) {
    if (chain_.bias != nullptr) step.read(chain_.bias, {shape_.n}, {along(2, block[2])});
    if (chain_.residual != nullptr) {
      step.read(chain_.residual, out_, {group_dim(turn), along(1, block[1]), along(2, block[2])});
    }
    if (plan_.serial > 1 && plan_.along == Serial::Rows) step.only(0, turn);
    step.emit();
  }

  Lowering& lowering_;
  const MatmulChain& chain_;
  const MatmulPlan& plan_;
  const int32_t dealt_;  // the dimension of out_ that is dealt out to IPUs; -1: none
  const MatmulShape& shape_;
  Shape a_, b_, out_;  // views: [g,m,k] [g|1,k,n] [g,m,n]; with one b, g counts the turns
};

}  // namespace

void lower_matmul(Lowering& lowering, const Node& last) {
  const MatmulChain& chain = lowering.fusion.matmuls.at(&last);
  const Sizes sizes = sizes_of(lowering, chain);
  const int32_t dealt = dealt_matmul(lowering, sizes.shape);
  MatmulShape part = share_of(lowering, sizes.shape, dealt);
  cut_as_whole(lowering, part, sizes.shape);
  const MatmulPlan plan = plan_for(lowering, part);
  place_weight(lowering, chain.matmul->in[1], sizes.shape, plan);
  MatmulSteps(lowering, chain, sizes, plan, dealt).emit();
}

}  // namespace tessera
