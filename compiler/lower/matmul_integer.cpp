// SPDX-License-Identifier: Apache-2.0
// A matmul of bytes with what makes a float of its sums, and bytes again: one superstep for each
// part of the rows that is done in turn. Its sums are not cut, so that they are whole in one tile.
#include "compiler/lower/matmul.h"
#include "compiler/lower/state.h"
#include "compiler/plan/vertex_cost.h"

namespace tessera {
namespace {

class IntegerSteps {
 public:
  IntegerSteps(Lowering& lowering, const IntegerChain& chain) : lowering_(lowering), chain_(chain) {
    const Shape& a = chain.matmul->in[0]->type.shape;
    const Shape& b = chain.matmul->in[1]->type.shape;
    shape_ = {.k = a.back(),
              .n = b.back(),
              .shared_b = b.size() == 2,
              .dtype = DType::F16,
              .bias = chain.bias != nullptr,
              .residual = chain.residual != nullptr,
              .activation = chain.activation,
              .integer = true};
    for (size_t d = 0; d + 2 < a.size(); ++d) (shape_.shared_b ? shape_.m : shape_.g) *= a[d];
    shape_.m *= a[a.size() - 2];
    dealt_ = dealt_matmul(lowering, shape_);
    plan_ = plan_for(lowering, share_of(lowering, shape_, dealt_));
    a_ = {shape_.g, shape_.m, shape_.k};
    if (shape_.shared_b) a_ = {plan_.serial, shape_.m / plan_.serial, shape_.k};
    b_ = {shape_.shared_b ? 1 : shape_.g, shape_.k, shape_.n};
    out_ = {a_[0], a_[1], shape_.n};
  }

  void emit() {
    place();
    const VariableId out = lowering_.result(chain_.last, out_, {group(), plan_.m, plan_.n}, dealt_);
    for (int64_t turn = 0; turn < plan_.serial; ++turn) emit(out, turn);
  }

 private:
  int64_t group() const { return shape_.shared_b ? plan_.serial : plan_.g; }

  void place() {
    place_weight(lowering_, chain_.matmul->in[1], shape_, plan_);
    for (const auto& [vector, role] :
         {std::pair(chain_.bias, "bias"), std::pair(column_scale(), "scale")})
      if (vector && elements(vector->type.shape) == shape_.n)
        lowering_.place(vector, role, {shape_.n}, {plan_.n}, dealt_ == 2 ? 0 : -1);
  }
  const Node* column_scale() const { return chain_.column_scale; }

  void emit(VariableId out, int64_t turn) {
    Step step(lowering_, chain_.last->name, origins_of(chain_.nodes), "matmul_integer", out);
    const auto flag = [](const Node* node) { return std::vector{node ? 1.0 : 0.0}; };
    step.param("row_zero", flag(chain_.row_zero))
        .param("column_zero", flag(chain_.column_zero))
        .param("scaled", {chain_.scaled ? 1.0 : 0.0})
        .param("row_scale", flag(chain_.row_scale))
        .param("column_scale", flag(chain_.column_scale));
    for (const Param& param : epilogue_params(chain_.bias, chain_.residual, chain_.activation))
      step.param(param.name, param.values);
    step.param("out_scale", {chain_.out_scale}).param("out_zero", {chain_.out_zero});
    const RegionDim group = shape_.shared_b ? only_dim(turn) : along(0, plan_.g);
    step.read(chain_.matmul->in[0], a_, {group, along(1, plan_.m), whole_dim()});
    step.read(chain_.matmul->in[1], b_,
              {shape_.shared_b ? whole_dim() : group, whole_dim(), along(2, plan_.n)});
    read_rows(step, chain_.row_zero, group);
    read_columns(step, chain_.column_zero, group);
    read_rows(step, chain_.row_scale, group);
    read_columns(step, chain_.column_scale, group);
    if (chain_.bias) step.read(chain_.bias, {shape_.n}, {along(2, plan_.n)});
    if (chain_.residual)
      step.read(chain_.residual, out_, {group, along(1, plan_.m), along(2, plan_.n)});
    if (plan_.serial > 1) step.only(0, turn);
    step.emit();
  }

  // Broadcasts are seen through where one number is meant for all.
  static const Node* one_or_all(const Node* node) {
    const Node* source = through_broadcast(node);
    return elements(source->type.shape) == 1 ? source : node;
  }

  void read_rows(Step& step, const Node* node, RegionDim group) {
    if (!node) return;
    node = one_or_all(node);
    if (elements(node->type.shape) == 1) {
      step.read(node, {1, 1}, {whole_dim(), whole_dim()});
    } else {
      step.read(node, {out_[0], out_[1]}, {group, along(1, plan_.m)});
    }
  }

  void read_columns(Step& step, const Node* node, RegionDim group) {
    if (!node) return;
    node = one_or_all(node);
    const int64_t count = elements(node->type.shape);
    if (count == 1) {
      step.read(node, {1, 1}, {whole_dim(), whole_dim()});
    } else if (count == shape_.n) {
      step.read(node, {1, shape_.n}, {whole_dim(), along(2, plan_.n)});
    } else {
      step.read(node, {shape_.g, shape_.n}, {group, along(2, plan_.n)});
    }
  }

  Lowering& lowering_;
  const IntegerChain& chain_;
  MatmulShape shape_;
  MatmulPlan plan_;
  int32_t dealt_ = -1;  // the dimension of out_ that is dealt out to IPUs; -1: none
  Shape a_, b_, out_;   // views: [g,m,k] [g|1,k,n] [g,m,n]; with one b, g counts the turns
};

}  // namespace

void lower_matmul_integer(Lowering& lowering, const Node& last) {
  IntegerSteps(lowering, lowering.fusion.integer_matmuls.at(&last)).emit();
}

}  // namespace tessera
