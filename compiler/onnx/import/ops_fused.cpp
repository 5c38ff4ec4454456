// SPDX-License-Identifier: Apache-2.0
// Operations that an optimizer has fused before us: gelu, layer norm, embeddings, attention. Gelu
// and layer norm are ops of the Graph; the others are taken apart again, for the passes to find.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

Status result_gelu(Call& call, Node* x, const std::string& form) {
  return call.result(Op::Gelu, {x}, with("form", form));
}

// 0, 1, 2 … in a shape of one long axis.
Expected<Node*> counting(Call& call, const Shape& shape) {
  const int64_t size = elements(shape);
  if (!call.spend(size))
    return call.error("has a sequence of " + std::to_string(size) + ", must be shorter");
  Array count{
      {DType::I32, shape},
      std::vector<double>(static_cast<size_t>(size))
  };
  std::iota(count.data.begin(), count.data.end(), 0);
  return call.constant(count);
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

namespace {

// What normalizes: rows of the axes from `axis` on, one behind another.
struct Norm {
  Node* x;
  Node* gamma;
  Node* beta;  // or null
  double eps;
  int64_t axis;
};

// The Graph normalizes the last axis, so all from `axis` on become one.
Expected<std::vector<Node*>> flat_operands(Call& call, const Norm& norm) {
  const Shape& shape = norm.x->type.shape;
  const Shape normalized(shape.begin() + norm.axis, shape.end());
  Shape flat(shape.begin(), shape.begin() + norm.axis);
  flat.push_back(elements(normalized));
  const Shape row = {flat.back()};
  const DType dtype = norm.x->type.dtype;
  Node* beta = norm.beta;
  if (!beta) beta = TRY(call.full({dtype, normalized}, 0));
  std::vector<Node*> operands = {TRY(call.reshape(norm.x, flat))};
  for (Node* vector : {norm.gamma, beta}) {
    Node* whole = TRY(call.broadcast(TRY(call.cast(vector, dtype)), normalized));
    operands.push_back(TRY(call.reshape(whole, row)));
  }
  return operands;
}

Status result_norm(Call& call, const Norm& norm) {
  const std::vector<Node*> operands = TRY(flat_operands(call, norm));
  const Call::Attrs attrs = {
      {"eps", norm.eps}
  };
  if (operands[0] == norm.x) return call.result(Op::LayerNorm, operands, attrs);
  Node* out = TRY(call.add(Op::LayerNorm, operands, attrs));
  return call.result(Op::Reshape, {out}, with("shape", norm.x->type.shape));
}

Expected<Node*> mean_over(Call& call, Node* x, const std::vector<int64_t>& axes) {
  Shape kept = x->type.shape;
  int64_t count = 1;
  for (const int64_t axis : axes) count *= std::exchange(kept[static_cast<size_t>(axis)], 1);
  Node* sum = TRY(call.reshape(TRY(call.add(Op::ReduceSum, {x}, with("axes", axes))), kept));
  return call.add(Op::Div, {sum, TRY(call.like(sum, static_cast<double>(count)))});
}

// The mean and the inverse of the standard deviation of each row, where someone reads them.
Status bind_statistics(Call& call, const Norm& norm) {
  if (!call.wants(1) && !call.wants(2)) return {};
  std::vector<int64_t> axes;
  for (auto i = norm.axis; i < static_cast<int64_t>(norm.x->type.shape.size()); ++i)
    axes.push_back(i);
  Node* x = TRY(call.cast(norm.x, DType::F32));
  Node* mean = TRY(mean_over(call, x, axes));
  Node* centered = TRY(call.add(Op::Sub, {x, TRY(call.broadcast(mean, x->type.shape))}));
  Node* variance = TRY(mean_over(call, TRY(call.add(Op::Mul, {centered, centered})), axes));
  Node* sum = TRY(call.add(Op::Add, {variance, TRY(call.like(variance, norm.eps))}));
  Node* deviation = TRY(call.add(Op::Sqrt, {sum}));
  if (call.wants(1)) call.bind(1, mean);
  if (call.wants(2))
    call.bind(2, TRY(call.add(Op::Div, {TRY(call.like(deviation, 1)), deviation})));
  return {};
}

}  // namespace

Status layer_norm(Call& call) {
  const int64_t axis = TRY(call.axis(call.attr("axis", int64_t{-1}), call.rank(0)));
  const double eps = call.attr("epsilon", double{1e-5f});
  const Norm norm{call.in(0), call.in(1), call.in(2), eps, axis};
  TRY(result_norm(call, norm));
  return bind_statistics(call, norm);
}

// Normalizes the sum of two values (and a bias); the sum is a result of its own.
Status skip_layer_norm(Call& call) {
  Node* x = TRY(sum(call, call.in(0), call.in(1)));
  if (call.in(4)) x = TRY(sum(call, x, call.in(4)));
  const auto last = static_cast<int64_t>(x->type.shape.size()) - 1;
  if (last < 0) return call.error("input is a single number, must have an axis to normalize");
  const Norm norm{x, call.in(2), call.in(3), call.attr("epsilon", 1e-12), last};
  TRY(result_norm(call, norm));
  if (call.wants(3)) call.bind(3, x);
  return bind_statistics(call, norm);
}

namespace {

enum EmbedInput : size_t { kIds, kSegments, kWords, kPositions, kTypes, kGamma, kBeta, kMask, kAt };

// Along the sequence, unless positions are given.
Expected<Node*> position_rows(Call& call) {
  Node* at = call.in(kAt);
  if (!at) at = TRY(counting(call, {1, call.shape(kIds)[1]}));
  return call.add(Op::Gather, {call.in(kPositions), at}, with("axis", int64_t{0}));
}

}  // namespace

Status embed_layer_norm(Call& call) {
  if (call.rank(kIds) != 2)
    return call.error("input 0 is " + to_string(call.in(kIds)->type) +
                      ", must be [batch, sequence]");
  const Call::Attrs rows = with("axis", int64_t{0});
  Node* x = TRY(call.add(Op::Gather, {call.in(kWords), call.in(kIds)}, rows));
  x = TRY(sum(call, x, TRY(position_rows(call))));
  if (call.in(kSegments) && call.in(kTypes))
    x = TRY(sum(call, x, TRY(call.add(Op::Gather, {call.in(kTypes), call.in(kSegments)}, rows))));
  const double eps = call.attr("epsilon", double{1e-12f});
  TRY(result_norm(call, {x, call.in(kGamma), call.in(kBeta), eps, 2}));
  if (call.wants(1)) {
    const TensorType none{DType::I32, {call.shape(kIds)[0]}};
    call.bind(1, call.in(kMask) ? TRY(call.add(Op::ReduceSum, {call.in(kMask)},
                                               with("axes", std::vector<int64_t>{1})))
                                : TRY(call.full(none, 0)));
  }
  if (call.wants(2)) call.bind(2, x);
  return {};
}

namespace {

struct Heads {
  int64_t batch, tokens, heads, depth;
};

// A third of [batch, tokens, 3 x hidden], by heads.
Expected<Node*> part_by_heads(Call& call, Node* qkv, int64_t part, const Heads& size,
                              const std::vector<int64_t>& perm) {
  const int64_t hidden = size.heads * size.depth;
  const Call::Attrs third = {
      {"start", std::vector<int64_t>{0, 0, part * hidden}},
      {"step",  std::vector<int64_t>{1, 1, 1}            },
      {"size",  Shape{size.batch, size.tokens, hidden}   }
  };
  Node* piece = TRY(call.add(Op::Slice, {qkv}, third));
  piece = TRY(call.reshape(piece, {size.batch, size.tokens, size.heads, size.depth}));
  return call.transpose(piece, perm);
}

// (1 - seen) x -10000, as one is added to every score.
Expected<Node*> penalty(Call& call, Node* seen, double filter, DType dtype) {
  Node* number = TRY(call.cast(seen, dtype));
  Node* hidden = TRY(call.add(Op::Sub, {TRY(call.like(number, 1)), number}));
  return call.add(Op::Mul, {hidden, TRY(call.like(hidden, filter))});
}

// Which keys count: a mask of tokens, of pairs of tokens, or the length of each row.
Expected<Node*> seen_keys(Call& call, const Heads& size) {
  Node* mask = call.in(3);
  const Shape& shape = mask->type.shape;
  if (shape == Shape{size.batch, size.tokens})
    return call.reshape(mask, {size.batch, 1, 1, size.tokens});
  if (shape == Shape{size.batch, size.tokens, size.tokens})
    return call.reshape(mask, {size.batch, 1, size.tokens, size.tokens});
  if (shape != Shape{size.batch})
    return call.error("mask_index is " + to_string(mask->type) +
                      ", must be of [batch], [batch, sequence] or [batch, sequence, sequence]");
  Node* lengths = TRY(call.reshape(mask, {size.batch, 1, 1, 1}));
  return call.add_broadcast(Op::Less, {TRY(counting(call, {1, 1, 1, size.tokens})), lengths});
}

// Keys that come no later than the query.
Expected<Node*> seen_before(Call& call, const Heads& size) {
  Node* keys = TRY(counting(call, {1, 1, 1, size.tokens}));
  Node* queries = TRY(counting(call, {1, 1, size.tokens, 1}));
  return call.add(Op::Not, {TRY(call.add_broadcast(Op::Less, {queries, keys}))});
}

Expected<Heads> attention_size(Call& call) {
  const Shape& x = call.shape(0);
  const int64_t heads = call.attr("num_heads", int64_t{0});
  const bool fits = x.size() == 3 && call.rank(1) == 2 && call.rank(2) == 1 && heads > 0 &&
                    heads <= 1 << 20 && call.shape(1)[1] % (3 * heads) == 0 &&
                    call.shape(1)[1] == call.shape(2)[0];
  if (!fits)
    return call.error("inputs are " + to_string(call.in(0)->type) + ", " +
                      to_string(call.in(1)->type) + " and " + to_string(call.in(2)->type) +
                      ", must be [batch, sequence, hidden], [hidden, 3 x n] and [3 x n], n of " +
                      std::to_string(heads) + " heads");
  return Heads{x[0], x[1], heads, call.shape(1)[1] / (3 * heads)};
}

}  // namespace

Status attention(Call& call) {
  if (call.in(4) || call.in(5) || call.wants(1))
    return call.error(
        "takes or returns past keys, or an added bias, must not: it must be an encoder's");
  const Heads size = TRY(attention_size(call));
  const DType dtype = call.dtype(0);
  const double filter = call.attr("mask_filter_value", -10000.0);
  const double scale = call.attr("scale", 1 / std::sqrt(static_cast<double>(size.depth)));
  Node* qkv = TRY(sum(call, TRY(call.add(Op::MatMul, {call.in(0), call.in(1)})), call.in(2)));
  Node* q = TRY(part_by_heads(call, qkv, 0, size, {0, 2, 1, 3}));
  Node* k = TRY(part_by_heads(call, qkv, 1, size, {0, 2, 3, 1}));
  Node* v = TRY(part_by_heads(call, qkv, 2, size, {0, 2, 1, 3}));
  Node* scores = TRY(call.add(Op::MatMul, {q, k}));
  scores = TRY(call.add(Op::Mul, {scores, TRY(call.like(scores, scale))}));
  std::vector<Node*> masks;
  if (call.in(3)) masks.push_back(TRY(seen_keys(call, size)));
  if (call.attr("unidirectional", int64_t{0})) masks.push_back(TRY(seen_before(call, size)));
  for (Node* mask : masks) scores = TRY(sum(call, scores, TRY(penalty(call, mask, filter, dtype))));
  Node* weights = TRY(call.add(Op::Softmax, {scores}, with("axis", int64_t{3})));
  Node* out = TRY(call.transpose(TRY(call.add(Op::MatMul, {weights, v})), {0, 2, 1, 3}));
  const Shape joined = {size.batch, size.tokens, size.heads * size.depth};
  return call.result(Op::Reshape, {out}, with("shape", joined));
}

}  // namespace tessera::handlers
