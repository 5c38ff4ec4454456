// SPDX-License-Identifier: Apache-2.0
// attention: for every head, softmax(q k' * scale) v over the keys that a query sees.
//
// One op, because the scores are the largest tensor of an encoder and nobody else reads them, and
// because a mask that says who sees whom costs nothing where an added -10000 costs an addition per
// score and, in f16, an infinity. A query that sees no key has the answer 0, or what the model's
// own number in the place of "hidden" makes of its scores. A bias is added to the scores of the
// keys that are seen; a guard gives 0 where the weights are NaN, as those of scores of nothing but
// -inf.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ir/attention_mask.h"
#include "ir/ops/ops.h"

namespace tessera::ops {
namespace {

struct Sizes {
  int64_t batch, queries, keys, hidden, heads;
};

Sizes sizes_of(const Node& node, const Shape& q, const Shape& k) {
  return {q[0], q[1], k[1], q[2], node.int_attr("heads")};
}

Error mask_is(const Node& node, const TensorType& mask, const std::string& wanted) {
  return fail(
      node, "mask " + node.string_attr("mask") + " is " + to_string(mask) + ", must be " + wanted);
}

Status check_bias(const Node& node, const TensorType& mask, const Sizes& s) {
  const Shape whole = {s.batch, s.heads, s.queries, s.keys};
  bool fits = is_float(mask.dtype) && mask.shape.size() == 4;
  for (size_t d = 0; fits && d < 4; ++d) fits = mask.shape[d] == 1 || mask.shape[d] == whole[d];
  if (fits) return {};
  return mask_is(node, mask, "of f32 or f16 and " + to_string(whole) + ", or 1 in place of any");
}

Status check_keys(const Node& node, std::string_view kind, const TensorType& mask, const Sizes& s) {
  if (kind == "keys" || kind == "segments") {
    if (kind == "segments" && s.queries != s.keys)
      return fail(node, "mask segments has " + std::to_string(s.queries) + " queries and " +
                            std::to_string(s.keys) + " keys, which must be as many");
    const TensorType wanted{
        DType::I32, {s.batch, s.keys}
    };
    if (mask != wanted) return mask_is(node, mask, to_string(wanted));
    return {};
  }
  const TensorType flat{
      DType::I32, {s.batch}
  },
      column{DType::I32, {s.batch, 1}};
  if (mask != flat && mask != column)
    return mask_is(node, mask, to_string(flat) + " or " + to_string(column));
  return {};
}

Status check_mask(const Node& node, const Sizes& s) {
  const std::string& attribute = node.string_attr("mask");
  const std::optional<AttentionMask> is = attention_mask(attribute);
  if (!is)
    return fail(node, "mask is \"" + attribute +
                          "\", must be none, keys, keys:NUMBER, segments, lengths or bias, or one "
                          "of these with +bias or +guard");
  if (node.in.size() != is->operands())
    return fail(node, "has " + std::to_string(node.in.size()) + " inputs and mask " + attribute +
                          ", must have " + std::to_string(is->operands()));
  if (is->has_keys()) TRY(check_keys(node, is->kind, node.in[3]->type, s));
  return is->bias ? check_bias(node, node.in[is->bias_operand()]->type, s) : Status{};
}

// One query of one head beside one key: whether it sees it, and the number added to its score.
class Mask {
 public:
  Mask(const AttentionMask& is, std::span<const Array> in, const Sizes& sizes)
      : kind_(is.kind), sizes_(sizes) {
    if (is.has_keys()) data_ = &in[3].data;
    if (!is.bias) return;
    const Array& bias = in[is.bias_operand()];
    bias_ = &bias.data;
    is_half_ = bias.type.dtype == DType::F16;
    strides_ = row_major_strides(bias.type.shape);
    for (size_t d = 0; d < 4; ++d)
      if (bias.type.shape[d] == 1) strides_[d] = 0;
  }

  bool sees(int64_t b, int64_t query, int64_t key) const {
    if (kind_ == "keys") return id(b, key) != 0;
    if (kind_ == "segments") return id(b, key) != 0 && id(b, key) == id(b, query);
    if (kind_ == "lengths") return key < (*data_)[b];
    return true;
  }
  double bias(int64_t b, int64_t head, int64_t query, int64_t key) const {
    if (!bias_) return 0;
    const double value =
        (*bias_)[b * strides_[0] + head * strides_[1] + query * strides_[2] + key * strides_[3]];
    // f16's lowest number stands for any below it, beside which a score is gone.
    constexpr double kLowestHalf = -65504;
    return is_half_ && value == kLowestHalf ? std::numeric_limits<float>::lowest() : value;
  }

 private:
  double id(int64_t b, int64_t token) const { return (*data_)[b * sizes_.keys + token]; }

  std::string_view kind_;
  Sizes sizes_;
  const std::vector<double>*data_ = nullptr, *bias_ = nullptr;
  bool is_half_ = false;  // the bias
  Shape strides_;
};

struct Scored {
  int64_t key;
  double score;
};

// The rest in f32 of a score that a large number was added to, less that number: nothing, or the
// score in steps. NaN where the number is -inf.
double hidden_score(double score, double number) {
  const auto hidden = static_cast<float>(std::max(number, double{-HUGE_VALF}));
  const float sum = static_cast<float>(score) + hidden;
  return sum - hidden;
}

// Whether a hidden key would have weight in the model that attention was found in, beside the
// largest score of those that are seen. f32's exponential of -104 is 0.
// In f16 a score that is not finite may be one that f16 does not hold.
bool has_weight(double score, double number, double largest, DType dtype) {
  if (!std::isfinite(number)) return false;
  if (!std::isfinite(score)) return dtype == DType::F16 && number > -1e9;
  return score + number > largest - 104;
}

// Turns scores into weights.
void softmax(std::vector<Scored>& keys) {
  double top = keys.empty() ? 0 : keys[0].score;
  for (const Scored& key : keys) top = std::max(top, key.score);
  double sum = 0;
  for (Scored& key : keys) sum += key.score = std::exp(key.score - top);
  for (Scored& key : keys) key.score /= sum;
}

}  // namespace

Expected<TensorType> Attention::infer(const Node& node) {
  const TensorType &q = node.in[0]->type, &k = node.in[1]->type, &v = node.in[2]->type;
  const bool fits = is_float(q.dtype) && q.shape.size() == 3 && k.shape.size() == 3 &&
                    k.dtype == q.dtype && k.shape[0] == q.shape[0] && k.shape[2] == q.shape[2] &&
                    v == k;
  if (!fits)
    return fail(node, "q, k and v are " + to_string(q) + ", " + to_string(k) + " and " +
                          to_string(v) + ", must be [batch,queries,hidden] and twice " +
                          "[batch,keys,hidden], all of f32 or all of f16");
  const Sizes s = sizes_of(node, q.shape, k.shape);
  if (s.heads < 1 || s.hidden % s.heads != 0)
    return fail(node, "heads is " + std::to_string(s.heads) + ", must divide the hidden size " +
                          std::to_string(s.hidden));
  if (!std::isfinite(node.float_attr("scale"))) return fail(node, "scale must be finite");
  TRY(check_mask(node, s));
  return q;
}

Expected<Array> Attention::eval(const Node& node, std::span<const Array> in) {
  const Sizes s = sizes_of(node, in[0].type.shape, in[1].type.shape);
  const int64_t depth = s.hidden / s.heads;
  const AttentionMask said = *attention_mask(node.string_attr("mask"));
  const Mask mask(said, in, s);
  Array out = zeros(node);
  const auto row = [&](size_t operand, int64_t b, int64_t tokens, int64_t token, int64_t head) {
    return in[operand].data.data() + (b * tokens + token) * s.hidden + head * depth;
  };
  const auto score = [&](int64_t b, int64_t head, int64_t query, int64_t key) {
    const double *q = row(0, b, s.queries, query, head), *k = row(1, b, s.keys, key, head);
    double dot = 0;
    for (int64_t d = 0; d < depth; ++d) dot += q[d] * k[d];
    // In f32, as a model adds them: beside -1e9 a score is gone.
    const auto scaled = static_cast<float>(dot * node.float_attr("scale"));
    return static_cast<float>(scaled + mask.bias(b, head, query, key));
  };
  const auto check_hidden = [&](int64_t b, int64_t head, int64_t query,
                                const std::vector<Scored>& seen) -> Status {
    const double largest = std::ranges::max(seen, {}, &Scored::score).score;
    for (int64_t key = 0; key < s.keys; ++key) {
      if (mask.sees(b, query, key)) continue;
      const double hidden = score(b, head, query, key);
      if (has_weight(hidden, *said.hidden, largest, in[1].type.dtype))
        return fail(node, "key " + std::to_string(key) + " has the score " +
                              std::to_string(hidden) + ", beside which " +
                              std::to_string(*said.hidden) + " does not hide it");
    }
    return {};
  };
  const auto one = [&](int64_t b, int64_t head, int64_t query) -> Status {
    std::vector<Scored> keys;
    for (int64_t key = 0; key < s.keys; ++key)
      if (mask.sees(b, query, key)) keys.push_back({key, score(b, head, query, key)});
    if (said.hidden && !keys.empty()) TRY(check_hidden(b, head, query, keys));
    if (keys.empty() && said.hidden)
      for (int64_t key = 0; key < s.keys; ++key)
        keys.push_back({key, hidden_score(score(b, head, query, key), *said.hidden)});
    softmax(keys);
    if (said.guarded && !keys.empty() && std::isnan(keys[0].score))
      for (Scored& key : keys) key.score = 0;
    double* to = out.data.data() + (b * s.queries + query) * s.hidden + head * depth;
    for (const Scored& key : keys)
      for (int64_t d = 0; d < depth; ++d) to[d] += key.score * row(2, b, s.keys, key.key, head)[d];
    return {};
  };
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t head = 0; head < s.heads; ++head)
      for (int64_t query = 0; query < s.queries; ++query) TRY(one(b, head, query));
  return out;
}

}  // namespace tessera::ops
