// SPDX-License-Identifier: Apache-2.0
// Attention: one superstep, whatever the mask. Heads are a view of the hidden dimension, so neither
// their split nor the parts of a merged q, k and v are ever moved on their own.
#include "compiler/plan/attention.h"

#include <algorithm>

#include "codelets/attention.h"
#include "compiler/lower/state.h"
#include "compiler/plan/grid.h"
#include "ir/attention_mask.h"
#include "support/check.h"

namespace tessera {
namespace {

// A Program's parameters are finite: this, below f32's range, stands for -inf.
constexpr double kBelowFloats = -1e39;

Sees seen_by(std::string_view kind) {
  if (kind == "keys") return Sees::Keys;
  if (kind == "segments") return Sees::Segments;
  if (kind == "lengths") return Sees::Lengths;
  CHECK(kind == "none");
  return Sees::All;
}

// A bias that is one for all keys still has a value for each, as the codelet reads it.
Value bias_of(Lowering& lowering, const Node& node, const Node* bias, int64_t keys) {
  Shape shape = bias->type.shape;
  if (shape[3] == keys) return lowering.packed(bias);
  shape[3] = keys;
  const VariableId id =
      emit_copy(lowering, node.name + "/bias", &node,
                {
                    lowering.shaped(bias, bias->type.shape), {0, 1, 2, 3},
                      {1, 1, 1, 1}
  },
                shape, temporary_of(lowering, node.name + "/bias", bias->type.dtype));
  return all_of(id, shape);
}

// The operands that the codelet reads after q, k and v.
std::vector<OperandShape> mask_shapes(const AttentionShape& shape, Sees sees, const Node* bias) {
  std::vector<OperandShape> masks;
  const auto ints = [&](Shape size) { masks.push_back({DType::I32, std::move(size), false}); };
  if (sees == Sees::Segments) ints({shape.batch, shape.queries});
  if (sees == Sees::Segments || sees == Sees::Keys) ints({shape.batch, shape.keys});
  if (sees == Sees::Lengths) ints({shape.batch});
  if (!bias) return masks;
  Shape size = bias->type.shape;
  size[3] = shape.keys;
  masks.push_back({bias->type.dtype, size, false});
  return masks;
}

// The dimension of [batch, queries, heads, depth] that is dealt out to several IPUs: the batch, or
// else the heads, where that is even.
int32_t dealt_attention(const Lowering& lowering, const AttentionShape& shape) {
  if (lowering.together() == 1) return -1;
  if (shape.batch % lowering.together() == 0) return 0;
  if (shape.heads % lowering.together() == 0) return 2;
  return lowering.dealt({shape.batch, shape.queries});
}

AttentionShape share_of(const Lowering& lowering, AttentionShape shape, int32_t dealt) {
  if (dealt == 0) shape.batch = lowering.share(shape.batch);
  if (dealt == 1) shape.queries = lowering.share(shape.queries);
  if (dealt == 2) shape.heads = lowering.share(shape.heads);
  return shape;
}

void read_keys(Step& step, const Node& node, Sees sees, const AttentionShape& shape,
               const AttentionPlan& plan) {
  const RegionDim batch = along(0, plan.batch);
  const Shape keys{shape.batch, shape.keys};
  if (sees == Sees::Segments) step.read(node.in[3], keys, {batch, along(1, plan.queries)});
  if (sees == Sees::Segments || sees == Sees::Keys)
    step.read(node.in[3], keys, {batch, whole_dim()});
  if (sees == Sees::Lengths) step.read(node.in[3], {shape.batch}, {batch});
}

void read_bias(Step& step, const Value& bias, const AttentionPlan& plan) {
  std::vector<RegionDim> dims{along(0, plan.batch), along(2, plan.heads), along(1, plan.queries),
                              whole_dim()};
  for (size_t d = 0; d < 3; ++d)
    if (bias.view[d] == 1) dims[d] = whole_dim();
  step.read(bias, dims);
}

}  // namespace

void lower_attention(Lowering& lowering, const Node& node) {
  const Shape& q = node.in[0]->type.shape;
  const AttentionMask said = *attention_mask(node.string_attr("mask"));
  const AttentionMaskParam mask{seen_by(said.kind), said.bias, said.guarded};
  const Node* added = said.bias ? node.in[said.bias_operand()] : nullptr;
  AttentionShape shape{.batch = q[0],
                       .queries = q[1],
                       .keys = node.in[1]->type.shape[1],
                       .heads = node.int_attr("heads"),
                       .depth = q[2] / node.int_attr("heads"),
                       .dtype = node.type.dtype};
  shape.params = {
      {"scale", {node.float_attr("scale")}         },
      {"mask",  {static_cast<double>(mask.param())}}
  };
  if (said.hidden) shape.params.push_back({"hidden", {std::max(*said.hidden, kBelowFloats)}});
  const int32_t dealt = dealt_attention(lowering, shape);
  AttentionShape share = share_of(lowering, shape, dealt);
  share.masks = mask_shapes(share, mask.sees, added);
  const AttentionPlan plan =
      plan_attention(share, lowering.program.target, lowering.working_bytes(), lowering.deadline);
  const Value bias = added ? bias_of(lowering, node, added, shape.keys) : Value{};

  const Shape rows{shape.batch, shape.queries, shape.heads, shape.depth};
  const Shape keys{shape.batch, shape.keys, shape.heads, shape.depth};
  const VariableId out =
      lowering.result(&node, rows, {plan.batch, plan.queries, plan.heads, shape.depth}, dealt);
  Step step(lowering, node.name, node.origin, "attention", out);
  for (const Param& param : shape.params) step.param(param.name, param.values);
  const RegionDim batch = along(0, plan.batch), heads = along(2, plan.heads);
  step.read(node.in[0], rows, {batch, along(1, plan.queries), heads, whole_dim()});
  step.read(node.in[1], keys, {batch, whole_dim(), heads, whole_dim()});
  step.read(node.in[2], keys, {batch, whole_dim(), heads, whole_dim()});
  read_keys(step, node, mask.sees, shape, plan);
  if (added) read_bias(step, bias, plan);
  step.emit();
}

}  // namespace tessera
