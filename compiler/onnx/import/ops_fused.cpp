// SPDX-License-Identifier: Apache-2.0
// Operations that an optimizer has fused before us: gelu, norms, embeddings. Gelu and the norms of
// the last axis are ops of the Graph; the others are taken apart again, for the passes to find.
#include <algorithm>
#include <utility>

#include "compiler/onnx/import/attend.h"
#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

Status result_gelu(Call& call, Node* x, const std::string& form) {
  return call.result(Op::Gelu, {x}, with("form", form));
}

Expected<Node*> sum(Call& call, Node* a, Node* b) { return call.add_broadcast(Op::Add, {a, b}); }

}  // namespace

Status gelu(Call& call) {
  const std::string approximate = call.attr("approximate", "none");
  if (approximate != "none" && approximate != "tanh")
    return call.error("approximate is '" + approximate + "', must be 'none' or 'tanh'");
  return result_gelu(call, call.in(0), approximate == "none" ? "erf" : "tanh");
}

Status bias_gelu(Call& call) {
  return result_gelu(call, TRY(sum(call, call.in(0), call.in(1))), "erf");
}

Status fast_gelu(Call& call) {
  Node* x = call.in(1) ? TRY(sum(call, call.in(0), call.in(1))) : call.in(0);
  return result_gelu(call, x, "tanh");
}

// BiasAdd of ONNX Runtime is x + skip + bias.
Status bias_add(Call& call) {
  Node* x = TRY(sum(call, call.in(0), call.in(1)));
  return call.result_broadcast(Op::Add, {x, call.in(2)});
}

Status gemm_fast_gelu(Call& call) {
  Node* x = TRY(multiply(call, call.in(0), call.in(1)));
  return result_gelu(call, call.in(2) ? TRY(sum(call, x, call.in(2))) : x, "tanh");
}

// x / (1 + exp(-alpha x))
Status quick_gelu(Call& call) {
  Node* x = call.in(0);
  const double alpha = call.attr("alpha", double{1.702f});
  Node* power = TRY(call.add(Op::Exp, {TRY(call.add(Op::Mul, {x, TRY(call.like(x, -alpha))}))}));
  Node* below = TRY(call.add(Op::Add, {power, TRY(call.like(x, 1))}));
  Node* gate = TRY(call.add(Op::Div, {TRY(call.like(x, 1)), below}));
  return call.result(Op::Mul, {x, gate});
}

// The softmax of a sum, over all axes from `axis` on at once. Along which axes the bias stretches
// (is_inner_broadcast), its shape says.
Status bias_softmax(Call& call) {
  const int64_t axis = TRY(call.axis(call.attr("axis", int64_t{1}), call.rank(0)));
  const Shape shape = call.shape(0);
  Node* scores = TRY(sum(call, call.in(0), call.in(1)));
  if (scores->type.shape != shape)
    return call.error("bias is " + to_string(call.in(1)->type) + ", must stretch to " +
                      to_string(shape));
  Shape flat(shape.begin(), shape.begin() + axis);
  flat.push_back(elements(Shape(shape.begin() + axis, shape.end())));
  scores = TRY(call.reshape(scores, flat));
  Node* weights = TRY(call.add(Op::Softmax, {scores}, with("axis", axis)));
  return call.result(Op::Reshape, {weights}, with("shape", shape));
}

namespace {

// A norm of rows, each of the axes from `axis` on, one behind another.
struct Norm {
  Node* x;
  Node* gamma;
  Node* beta;  // or null
  double eps;
  int64_t axis;
  bool by_mean = true;  // false: by the root of the mean square alone
};

// A scale of one row of numbers, whatever axes of size 1 stand before it; null if it is of more.
Expected<Node*> one_row(Call& call, Node* vector, const TensorType& normalized) {
  Shape shape = vector->type.shape;
  while (shape.size() > normalized.shape.size() && shape.front() == 1) shape.erase(shape.begin());
  if (shape.size() > normalized.shape.size()) return static_cast<Node*>(nullptr);
  Node* row = TRY(call.reshape(TRY(call.cast(vector, normalized.dtype)), shape));
  row = TRY(call.broadcast(row, normalized.shape));
  return call.reshape(row, {elements(normalized.shape)});
}

// The Graph normalizes the last axis, so all from `axis` on become one.
Expected<std::vector<Node*>> flat_operands(Call& call, const Norm& norm, Node* gamma, Node* beta) {
  const Shape& shape = norm.x->type.shape;
  Shape flat(shape.begin(), shape.begin() + norm.axis);
  flat.push_back(elements(Shape(shape.begin() + norm.axis, shape.end())));
  const TensorType row{norm.x->type.dtype, {flat.back()}};
  if (!gamma) gamma = TRY(call.full(row, 1));
  std::vector<Node*> operands = {TRY(call.reshape(norm.x, flat)), gamma};
  if (norm.by_mean) operands.push_back(beta ? beta : TRY(call.full(row, 0)));
  return operands;
}

// A scale or shift that is another for each row comes after the norm.
Status result_norm(Call& call, const Norm& norm) {
  const Shape& shape = norm.x->type.shape;
  const TensorType row{norm.x->type.dtype, Shape(shape.begin() + norm.axis, shape.end())};
  Node* gamma = TRY(one_row(call, norm.gamma, row));
  Node* beta = norm.beta ? TRY(one_row(call, norm.beta, row)) : nullptr;
  const bool after = !gamma || (norm.beta && !beta);
  if (after) gamma = beta = nullptr;
  const std::vector<Node*> operands = TRY(flat_operands(call, norm, gamma, beta));
  const Op op = norm.by_mean ? Op::LayerNorm : Op::RmsNorm;
  const Call::Attrs attrs = with("eps", norm.eps);
  if (!after && operands[0] == norm.x) return call.result(op, operands, attrs);
  Node* out = TRY(call.add(op, operands, attrs));
  if (!after) return call.result(Op::Reshape, {out}, with("shape", shape));
  out = TRY(call.reshape(out, shape));
  for (const auto& [apply, vector] :
       {std::pair(Op::Mul, norm.gamma), std::pair(Op::Add, norm.beta)}) {
    if (!vector) continue;
    Node* each = TRY(call.broadcast(TRY(call.cast(vector, row.dtype)), shape));
    out = TRY(call.add(apply, {out, each}));
  }
  call.bind(0, out);
  return {};
}

Expected<Node*> mean_over(Call& call, Node* x, const std::vector<int64_t>& axes) {
  Shape kept = x->type.shape;
  int64_t count = 1;
  for (const int64_t axis : axes) count *= std::exchange(kept[static_cast<size_t>(axis)], 1);
  Node* sum = TRY(call.reshape(TRY(call.add(Op::ReduceSum, {x}, with("axes", axes))), kept));
  return call.add(Op::Div, {sum, TRY(call.like(sum, static_cast<double>(count)))});
}

// The mean and the inverse of the standard deviation of each row, as the results of these numbers,
// where someone reads them.
Status bind_statistics(Call& call, const Norm& norm, size_t mean_at, size_t inverse_at) {
  if (!call.wants(mean_at) && !call.wants(inverse_at)) return {};
  std::vector<int64_t> axes;
  for (auto i = norm.axis; i < static_cast<int64_t>(norm.x->type.shape.size()); ++i)
    axes.push_back(i);
  Node* x = TRY(call.cast(norm.x, DType::F32));
  Node* centered = x;
  if (norm.by_mean) {
    Node* mean = TRY(mean_over(call, x, axes));
    centered = TRY(call.add(Op::Sub, {x, TRY(call.broadcast(mean, x->type.shape))}));
    if (call.wants(mean_at)) call.bind(mean_at, mean);
  }
  Node* variance = TRY(mean_over(call, TRY(call.add(Op::Mul, {centered, centered})), axes));
  Node* sum = TRY(call.add(Op::Add, {variance, TRY(call.like(variance, norm.eps))}));
  Node* deviation = TRY(call.add(Op::Sqrt, {sum}));
  if (call.wants(inverse_at))
    call.bind(inverse_at, TRY(call.add(Op::Div, {TRY(call.like(deviation, 1)), deviation})));
  return {};
}

}  // namespace

Status layer_norm(Call& call) {
  const int64_t axis = TRY(call.axis(call.attr("axis", int64_t{-1}), call.rank(0)));
  const double eps = call.attr("epsilon", double{1e-5f});
  const Norm norm{call.in(0), call.in(1), call.in(2), eps, axis};
  TRY(result_norm(call, norm));
  return bind_statistics(call, norm, 1, 2);
}

Status simplified_layer_norm(Call& call) {
  const int64_t axis = TRY(call.axis(call.attr("axis", int64_t{-1}), call.rank(0)));
  const double eps = call.attr("epsilon", double{1e-5f});
  const Norm norm{call.in(0), call.in(1), nullptr, eps, axis, false};
  TRY(result_norm(call, norm));
  return bind_statistics(call, norm, call.outputs(), 1);
}

namespace {

// Normalizes the sum of two values (and a bias); the sum is a result of its own.
Status norm_of_sum(Call& call, Node* beta, Node* bias, bool by_mean) {
  Node* x = TRY(sum(call, call.in(0), call.in(1)));
  if (bias) x = TRY(sum(call, x, bias));
  const auto last = static_cast<int64_t>(x->type.shape.size()) - 1;
  if (last < 0) return call.error("input is a single number, must have an axis to normalize");
  const Norm norm{x, call.in(2), beta, call.attr("epsilon", double{1e-12f}), last, by_mean};
  TRY(result_norm(call, norm));
  if (call.wants(3)) call.bind(3, x);
  if (!by_mean && call.wants(1))
    return call.error("the mean is read (output 1), must not be: such a norm takes none");
  return bind_statistics(call, norm, 1, 2);
}

}  // namespace

Status skip_layer_norm(Call& call) { return norm_of_sum(call, call.in(3), call.in(4), true); }

Status skip_simplified_layer_norm(Call& call) {
  return norm_of_sum(call, nullptr, call.in(3), false);
}

namespace {

enum EmbedInput : size_t { kIds, kSegments, kWords, kPositions, kTypes, kGamma, kBeta, kMask, kAt };

// Along the sequence, unless positions are given.
Expected<Node*> position_rows(Call& call) {
  Node* at = call.in(kAt);
  if (!at) at = TRY(counting(call, {1, call.shape(kIds)[1]}));
  return call.add(Op::Gather, {call.in(kPositions), at}, with("axis", int64_t{0}));
}

// The number of tokens in each row: the number of ones in its mask.
Expected<Node*> mask_index(Call& call) {
  const Shape rows = {call.shape(kIds)[0]};
  if (!call.in(kMask)) return call.full({DType::I32, rows}, 0);
  if (call.shape(kMask) != call.shape(kIds) || call.dtype(kMask) != DType::I32)
    return call.error("mask (input 7) is " + to_string(call.in(kMask)->type) + ", must be " +
                      to_string(call.in(kIds)->type) + " as the ids");
  return call.add(Op::ReduceSum, {call.in(kMask)}, with("axes", std::vector<int64_t>{1}));
}

}  // namespace

Status embed_layer_norm(Call& call) {
  TRY(call.need({kIds, kWords, kPositions, kGamma, kBeta}));
  if (call.rank(kIds) != 2)
    return call.error("input 0 is " + to_string(call.in(kIds)->type) +
                      ", must be [batch, sequence]");
  if (!call.in(kSegments) != !call.in(kTypes))
    return call.error(
        "has segment_ids or segment_embedding (inputs 1 and 4) alone, must have both "
        "or neither");
  const int64_t type = call.attr("mask_index_type", int64_t{1});
  if (type != 0 && type != 1)
    return call.error("mask_index_type is " + std::to_string(type) +
                      ", must be 0 (none) or 1 (the length of each row)");
  const Call::Attrs rows = with("axis", int64_t{0});
  Node* x = TRY(call.add(Op::Gather, {call.in(kWords), call.in(kIds)}, rows));
  x = TRY(sum(call, x, TRY(position_rows(call))));
  if (call.in(kSegments))
    x = TRY(sum(call, x, TRY(call.add(Op::Gather, {call.in(kTypes), call.in(kSegments)}, rows))));
  if (call.wants(2)) call.bind(2, x);
  const double eps = call.attr("epsilon", double{1e-12f});
  TRY(result_norm(call, {x, call.in(kGamma), call.in(kBeta), eps, 2}));
  if (call.wants(1)) call.bind(1, TRY(mask_index(call)));
  return {};
}

}  // namespace tessera::handlers
