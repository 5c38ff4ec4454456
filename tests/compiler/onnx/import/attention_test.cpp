// SPDX-License-Identifier: Apache-2.0
// ONNX's Attention in every form, against what its definition gives here in plain loops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/compiler/onnx/import/one_node.h"

namespace tessera::test {
namespace {

using ::testing::HasSubstr;

constexpr double kInf = std::numeric_limits<double>::infinity();

// A mask's element for a score, by broadcasting; one that is too short hides what is behind it.
double mask_at(const Array& mask, const std::vector<int64_t>& index) {
  const Shape& shape = mask.type.shape;
  int64_t at = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t here = index[index.size() - shape.size() + i];
    if (i + 1 == shape.size() && shape[i] > 1 && here >= shape[i]) return -kInf;
    if (shape[i] == 1) here = 0;
    at = at * shape[i] + here;
  }
  const double value = mask.data[static_cast<size_t>(at)];
  if (mask.type.dtype == DType::Bool) return value != 0 ? 0 : -kInf;
  return value;
}

struct Attended {
  std::vector<double> y, scores;
};

// The weights of one query, and its scores at the step that is asked for.
std::vector<double> weights_of(const std::map<std::string, Array>& in, const Numbers& n,
                               const ByHeads& q, const ByHeads& k, int64_t b, int64_t h, int64_t i,
                               std::vector<double>& scores) {
  const double cap = number(n, "softcap", 0);
  const int64_t mode = static_cast<int64_t>(number(n, "qk_matmul_output_mode", 0));
  const int64_t left = static_cast<int64_t>(number(n, "left_window_size", -1));
  int64_t right = static_cast<int64_t>(number(n, "right_window_size", -1));
  if (number(n, "is_causal", 0) != 0) right = 0;
  std::vector<double> weights;
  double sum = 0;
  for (int64_t j = 0; j < k.tokens(); ++j) {
    double score = 0;
    for (int64_t d = 0; d < q.depth(); ++d)
      score += q.at(b, h, i, d) * k.at(b, h / (q.heads / k.heads), j, d);
    score *= number(n, "scale", 1 / std::sqrt(static_cast<double>(q.depth())));
    if (mode == 0) scores.push_back(score);
    if (cap != 0) score = cap * std::tanh(score / cap);
    if (mode == 1) scores.push_back(score);
    if (in.contains("m")) score += mask_at(in.at("m"), {b, h, i, j});
    if ((left >= 0 && j < i - left) || (right >= 0 && j > i + right)) score = -kInf;
    if (mode == 2) scores.push_back(score);
    weights.push_back(std::exp(score));
    sum += weights.back();
  }
  for (double& weight : weights) weight = sum == 0 ? 0 : weight / sum;
  if (mode == 3) scores.insert(scores.end(), weights.begin(), weights.end());
  return weights;
}

Attended attended(const std::map<std::string, Array>& in, const Numbers& n, int64_t q_heads,
                  int64_t kv_heads) {
  const ByHeads q{in.at("q"), q_heads}, k{in.at("k"), kv_heads}, v{in.at("v"), kv_heads};
  const bool by_heads = in.at("q").type.shape.size() == 4;
  const int64_t batch = in.at("q").type.shape[0], depth = v.depth();
  Attended out;
  out.y.resize(static_cast<size_t>(batch * q_heads * q.tokens() * depth));
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < q_heads; ++h)
      for (int64_t i = 0; i < q.tokens(); ++i) {
        const std::vector<double> weights = weights_of(in, n, q, k, b, h, i, out.scores);
        const int64_t row =
            by_heads ? (b * q_heads + h) * q.tokens() + i : (b * q.tokens() + i) * q_heads + h;
        for (int64_t j = 0; j < k.tokens(); ++j)
          for (int64_t d = 0; d < depth; ++d)
            out.y[static_cast<size_t>(row * depth + d)] +=
                weights[static_cast<size_t>(j)] * v.at(b, h / (q_heads / kv_heads), j, d);
      }
  return out;
}

struct AttentionCase {
  std::string what;
  std::vector<Operand> operands;
  Numbers attributes;
  int64_t q_heads = 4, kv_heads = 4;
  int opset = 23;
};

std::vector<Operand> qkv(int64_t kv_heads = 4) {
  return {
      {"q", kFloat, {2, 4, 3, 8}       },
      {"k", kFloat, {2, kv_heads, 5, 8}},
      {"v", kFloat, {2, kv_heads, 5, 6}}
  };
}
std::vector<Operand> flat(int64_t kv_heads) {
  return {
      {"q", kFloat, {2, 3, 32}          },
      {"k", kFloat, {2, 5, 8 * kv_heads}},
      {"v", kFloat, {2, 5, 6 * kv_heads}}
  };
}
std::vector<Operand> with_mask(std::vector<Operand> operands, int32_t type, const Shape& shape) {
  operands.push_back({"m", type, shape});
  return operands;
}

std::vector<AttentionCase> attention_cases() {
  std::vector<AttentionCase> all = {
      {"plain", qkv(), {}},
      {"scale", qkv(), {{"scale", 0.25}}},
      {"softcap", qkv(), {{"softcap", 0.5}}},
      {"causal", qkv(), {{"is_causal", 1}}},
      {"a window", qkv(), {{"left_window_size", 1}, {"right_window_size", 1}}, 4, 4, 25},
      {"a causal window", qkv(), {{"left_window_size", 1}, {"is_causal", 1}}, 4, 4, 25},
      {"groups", qkv(2), {}, 4, 2},
      {"one key head", qkv(1), {{"is_causal", 1}}, 4, 1},
      {"flat", flat(4), {{"q_num_heads", 4}, {"kv_num_heads", 4}}},
      {"flat groups",
       with_mask(flat(2), kFloat, {3, 5}),
       {{"q_num_heads", 4}, {"kv_num_heads", 2}, {"is_causal", 1}, {"softcap", 1}},
       4, 2},
  };
  for (const int32_t type : {kFloat, int32_t{TensorProto::BOOL}, int32_t{TensorProto::INT32}})
    for (const Shape& shape : std::vector<Shape>{
             {5},
             {3, 5},
             {1, 5},
             {3, 1},
             {3, 4},
             {4, 3, 5},
             {1, 3, 5},
             {2, 4, 3, 5},
             {2, 1, 1, 5},
             {1, 4, 3, 2}
    })
      for (const double causal : {0, 1})
        all.push_back({"mask " + std::to_string(type) + " of " + dims(shape) + " causal " +
                           std::to_string(causal),
                       with_mask(qkv(), type, shape),
                       {{"is_causal", causal}}});
  return all;
}

TEST(OnnxAttention, is_what_its_definition_says_in_every_form) {
  for (const AttentionCase& one : attention_cases()) {
    SCOPED_TRACE(one.what);
    const auto in = values_of(one.operands);
    const Attended wanted = attended(in, one.attributes, one.q_heads, one.kv_heads);
    const auto got = run(one_node("Attention", one.opset, one.operands, one.attributes), in);
    ASSERT_EQ(got.size(), 1u);
    expect_near(got[0].data, wanted.y);
  }
}

TEST(OnnxAttention, gives_the_scores_of_the_step_that_is_asked_for) {
  const std::vector<Operand> operands = with_mask(qkv(), kFloat, {3, 5});
  for (const double mode : {0, 1, 2, 3}) {
    const Numbers attributes = {
        {"qk_matmul_output_mode", mode},
        {"softcap",               0.75}
    };
    const auto in = values_of(operands);
    const auto got =
        run(one_node("Attention", 23, operands, attributes, {"y", "", "", "scores"}), in);
    ASSERT_EQ(got.size(), 2u);
    expect_near(got[1].data, attended(in, attributes, 4, 4).scores);
  }
}

std::string refusal(const std::vector<Operand>& operands, const Numbers& attributes,
                    const Names& outputs = {"y"}) {
  return imported(one_node("Attention", 23, operands, attributes, outputs));
}

TEST(OnnxAttention, of_a_decoder_is_refused_by_the_name_of_what_it_has) {
  std::vector<Operand> operands = with_mask(qkv(), kFloat, {3, 9});
  operands.push_back({
      "past", kFloat, {2, 4, 4, 8}
  });
  EXPECT_THAT(refusal(operands, {}), HasSubstr("past_key is given, must be left out"));
  operands[4].name = "";
  operands.push_back({
      "past", kFloat, {2, 4, 4, 6}
  });
  EXPECT_THAT(refusal(operands, {}), HasSubstr("past_value is given, must be left out"));
  operands[5].name = "";
  operands.push_back({"lengths", TensorProto::INT64, {2}});
  EXPECT_THAT(refusal(operands, {}), HasSubstr("nonpad_kv_seqlen is given, must be left out"));
  EXPECT_THAT(refusal(qkv(), {}, {"y", "keys"}), HasSubstr("present_key is used"));
  EXPECT_THAT(refusal(qkv(), {}, {"y", "", "values"}), HasSubstr("present_value is used"));
}

TEST(OnnxAttention, of_sizes_that_do_not_fit_is_refused) {
  EXPECT_THAT(refusal(flat(4), {}), HasSubstr("q_num_heads is 0, must be [batch, heads"));
  EXPECT_THAT(refusal(flat(4),
                      {
                          {"q_num_heads", 5}
  }),
              HasSubstr("q_num_heads is 5"));
  EXPECT_THAT(refusal(qkv(3), {}), HasSubstr("query heads a multiple of theirs"));
  EXPECT_THAT(refusal(with_mask(qkv(), kFloat, {4, 5}), {}), HasSubstr("must broadcast"));
  EXPECT_THAT(refusal(with_mask(qkv(), kFloat, {3, 2, 4, 3, 5}), {}), HasSubstr("must stretch to"));
  EXPECT_THAT(refusal(qkv(),
                      {
                          {"softcap", -1}
  }),
              HasSubstr("softcap is -1"));
  EXPECT_THAT(refusal(qkv(),
                      {
                          {"left_window_size", -2}
  }),
              HasSubstr("left_window_size is -2"));
  EXPECT_THAT(refusal(qkv(),
                      {
                          {"softmax_precision", 7}
  }),
              HasSubstr("softmax_precision is 7"));
  EXPECT_THAT(refusal(qkv(),
                      {
                          {"qk_matmul_output_mode", 4}
  },
                      {"y", "", "", "s"}),
              HasSubstr("must be from 0 to 3"));
}

TEST(OnnxAttention, becomes_attention_of_repeated_heads) {
  const Numbers heads = {
      {"q_num_heads",  4},
      {"kv_num_heads", 2}
  };
  std::vector<Operand> operands = flat(2);
  operands[2].shape = operands[1].shape;  // values as deep as keys
  const std::string plain = after_passes(one_node("Attention", 23, operands, heads));
  EXPECT_THAT(plain, HasSubstr("= attention"));
  EXPECT_THAT(plain, HasSubstr("mask=\"none\""));
  const std::string biased =
      after_passes(one_node("Attention", 23, with_mask(operands, kFloat, {4, 3, 5}), heads));
  EXPECT_THAT(biased, HasSubstr("mask=\"bias+guard\""));
}

}  // namespace
}  // namespace tessera::test
