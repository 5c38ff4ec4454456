// SPDX-License-Identifier: Apache-2.0
// Attention: one superstep, whatever the mask. Heads are a view of the hidden dimension, so neither
// their split nor the parts of a merged q, k and v are ever moved on their own.
#include "compiler/plan/attention.h"

#include <algorithm>

#include "compiler/lower/state.h"
#include "compiler/plan/grid.h"
#include "ir/attention_mask.h"
#include "support/check.h"

namespace tessera {
namespace {

enum Mask { kNoMask = 0, kKeys = 1, kSegments = 2, kLengths = 3, kBias = 4 };

// A Program's parameters are finite: this, below f32's range, stands for -inf.
constexpr double kBelowFloats = -1e39;

Mask mask_of(std::string_view kind) {
  if (kind == "keys") return kKeys;
  if (kind == "segments") return kSegments;
  if (kind == "lengths") return kLengths;
  if (kind == "bias") return kBias;
  CHECK(kind == "none");
  return kNoMask;
}

// A bias that is one for all keys still has a value for each, as the codelet reads it.
Value bias_of(Lowering& lowering, const Node& node, int64_t keys) {
  const Node* mask = node.in[3];
  Shape shape = mask->type.shape;
  if (shape[3] == keys) return lowering.packed(mask);
  shape[3] = keys;
  const VariableId id =
      emit_copy(lowering, node.name + "/bias", &node,
                {
                    lowering.shaped(mask, mask->type.shape), {0, 1, 2, 3},
                      {1, 1, 1, 1}
  },
                shape, temporary_of(lowering, node.name + "/bias", mask->type.dtype));
  return all_of(id, shape);
}

// What the codelet reads after q, k and v.
std::vector<OperandShape> mask_shapes(const AttentionShape& shape, const Node& node, Mask mask) {
  switch (mask) {
    case kNoMask: return {};
    case kKeys:
      return {
          {DType::I32, {shape.batch, shape.keys}, false}
      };
    case kSegments:
      return {
          {DType::I32, {shape.batch, shape.queries}, false},
          {DType::I32, {shape.batch, shape.keys},    false}
      };
    case kLengths:
      return {
          {DType::I32, {shape.batch}, false}
      };
    case kBias: {
      Shape bias = node.in[3]->type.shape;
      bias[3] = shape.keys;
      return {
          {node.in[3]->type.dtype, bias, false}
      };
    }
  }
  return {};
}

void read_mask(Step& step, const Node& node, Mask mask, const AttentionShape& shape,
               const AttentionPlan& plan, const Value& bias) {
  const RegionDim batch = along(0, plan.batch);
  const Shape keys{shape.batch, shape.keys};
  switch (mask) {
    case kNoMask: return;
    case kSegments: step.read(node.in[3], keys, {batch, along(1, plan.queries)}); [[fallthrough]];
    case kKeys: step.read(node.in[3], keys, {batch, whole_dim()}); return;
    case kLengths: step.read(node.in[3], {shape.batch}, {batch}); return;
    case kBias: {
      std::vector<RegionDim> dims{batch, along(2, plan.heads), along(1, plan.queries), whole_dim()};
      for (size_t d = 0; d < 3; ++d) {
        if (bias.view[d] == 1) dims[d] = whole_dim();
      }
      step.read(bias, dims);
      return;
    }
  }
}

}  // namespace

void lower_attention(Lowering& lowering, const Node& node) {
  const Shape& q = node.in[0]->type.shape;
  const AttentionMask said = *attention_mask(node.string_attr("mask"));
  const Mask mask = mask_of(said.kind);
  AttentionShape shape{.batch = q[0],
                       .queries = q[1],
                       .keys = node.in[1]->type.shape[1],
                       .heads = node.int_attr("heads"),
                       .depth = q[2] / node.int_attr("heads"),
                       .dtype = node.type.dtype};
  shape.params = {
      {"scale", {node.float_attr("scale")} },
      {"mask",  {static_cast<double>(mask)}}
  };
  if (said.hidden) shape.params.push_back({"hidden", {std::max(*said.hidden, kBelowFloats)}});
  shape.masks = mask_shapes(shape, node, mask);
  const AttentionPlan plan =
      plan_attention(shape, lowering.program.target, lowering.working_bytes(), lowering.deadline);
  const Value bias = mask == kBias ? bias_of(lowering, node, shape.keys) : Value{};

  const Shape rows{shape.batch, shape.queries, shape.heads, shape.depth};
  const Shape keys{shape.batch, shape.keys, shape.heads, shape.depth};
  const VariableId out =
      lowering.result(&node, rows, {plan.batch, plan.queries, plan.heads, shape.depth});
  Step step(lowering, node.name, node.origin, "attention", out);
  for (const Param& param : shape.params) step.param(param.name, param.values);
  const RegionDim batch = along(0, plan.batch), heads = along(2, plan.heads);
  step.read(node.in[0], rows, {batch, along(1, plan.queries), heads, whole_dim()});
  step.read(node.in[1], keys, {batch, whole_dim(), heads, whole_dim()});
  step.read(node.in[2], keys, {batch, whole_dim(), heads, whole_dim()});
  read_mask(step, node, mask, shape, plan, bias);
  step.emit();
}

}  // namespace tessera
