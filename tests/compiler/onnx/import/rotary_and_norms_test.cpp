// SPDX-License-Identifier: Apache-2.0
// RotaryEmbedding, norms and Swish of newer opsets in every form, against what their definitions
// give here in plain loops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/compiler/onnx/import/one_node.h"

namespace tessera::test {
namespace {

using ::testing::HasSubstr;

// x by heads, turned by the angles of each token.
std::vector<double> turned(const std::map<std::string, Array>& in, const Numbers& n,
                           int64_t heads) {
  const ByHeads x{in.at("x"), heads};
  const bool by_heads = in.at("x").type.shape.size() == 4;
  const bool neighbours = number(n, "interleaved", 0) != 0;
  const int64_t batch = in.at("x").type.shape[0], depth = x.depth(), tokens = x.tokens();
  int64_t width = static_cast<int64_t>(number(n, "rotary_embedding_dim", 0));
  if (width == 0) width = depth;
  std::vector<double> out = in.at("x").data;
  const auto angle = [&](const char* table, int64_t b, int64_t s, int64_t pair) {
    const Array& from = in.at(table);
    const int64_t rows = from.type.shape.size() == 3 && from.type.shape[0] == 1 ? 0 : b;
    const int64_t row = in.contains("at") ? static_cast<int64_t>(in.at("at").data[b * tokens + s])
                                          : rows * tokens + s;
    return from.data[static_cast<size_t>(row * width / 2 + pair)];
  };
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t s = 0; s < tokens; ++s)
        for (int64_t pair = 0; pair < width / 2; ++pair) {
          const int64_t first = neighbours ? 2 * pair : pair;
          const int64_t second = neighbours ? first + 1 : pair + width / 2;
          const double cos = angle("cos", b, s, pair), sin = angle("sin", b, s, pair);
          const int64_t row =
              by_heads ? (b * heads + h) * tokens + s : (b * tokens + s) * heads + h;
          const double left = x.at(b, h, s, first), right = x.at(b, h, s, second);
          out[static_cast<size_t>(row * depth + first)] = cos * left - sin * right;
          out[static_cast<size_t>(row * depth + second)] = sin * left + cos * right;
        }
  return out;
}

std::vector<Operand> rotary_operands(bool flat_heads, const Shape& angles, bool positions) {
  std::vector<Operand> operands = {
      {"x",   kFloat, flat_heads ? Shape{2, 3, 32} : Shape{2, 4, 3, 8}},
      {"cos", kFloat, angles                                          },
      {"sin", kFloat, angles                                          }
  };
  if (positions)
    operands.push_back({
        "at", TensorProto::INT64, {2, 3}
    });
  return operands;
}

TEST(OnnxRotary, turns_each_pair_by_the_angle_of_its_token_in_every_form) {
  for (const double neighbours : {0, 1})
    for (const bool flat_heads : {false, true})
      for (const double width : {0, 4})
        for (const Shape& angles : std::vector<Shape>{
                 {2, 3},
                 {1, 3},
                 {7}
        }) {
          Shape table = angles;
          table.push_back(width == 0 ? 4 : width / 2);
          const auto operands = rotary_operands(flat_heads, table, angles.size() == 1);
          const Numbers attributes = {
              {"interleaved",          neighbours},
              {"rotary_embedding_dim", width     },
              {"num_heads",            4         }
          };
          SCOPED_TRACE(dims(table) + (flat_heads ? " flat" : ""));
          const auto in = values_of(operands);
          const auto got = run(one_node("RotaryEmbedding", 23, operands, attributes), in);
          ASSERT_EQ(got.size(), 1u);
          expect_near(got[0].data, turned(in, attributes, 4));
        }
}

TEST(OnnxRotary, becomes_one_op_in_both_of_its_forms) {
  for (const double neighbours : {0, 1}) {
    const Numbers attributes = {
        {"interleaved", neighbours},
        {"num_heads",   4         }
    };
    const std::string graph = after_passes(
        one_node("RotaryEmbedding", 23, rotary_operands(true, {7, 4}, true), attributes));
    EXPECT_THAT(graph, HasSubstr("= rotary"));
    EXPECT_THAT(graph, HasSubstr(neighbours != 0 ? "pairs" : "halves"));
  }
}

TEST(OnnxRotary, of_sizes_that_do_not_fit_is_refused) {
  const auto refused = [](const Shape& x, const Shape& table, bool positions,
                          const Numbers& attributes) {
    auto operands = rotary_operands(false, table, positions);
    operands[0].shape = x;
    return imported(one_node("RotaryEmbedding", 23, operands, attributes));
  };
  EXPECT_THAT(refused({2, 3, 32}, {2, 3, 4}, false, {}), HasSubstr("num_heads is 0"));
  EXPECT_THAT(refused({2, 4, 3, 7}, {2, 3, 3}, false, {}), HasSubstr("heads of 7 numbers"));
  EXPECT_THAT(refused(
                  {
                      2, 4, 3, 8
  },
                  {2, 3, 4}, false, {{"rotary_embedding_dim", 10}}),
              HasSubstr("rotary_embedding_dim is 10"));
  EXPECT_THAT(refused({2, 4, 3, 8}, {2, 3, 4}, true, {}), HasSubstr("cos_cache is f32[2,3,4] and"));
  EXPECT_THAT(refused({2, 4, 3, 8}, {7, 4}, false, {}), HasSubstr("cos_cache is f32[7,4], must"));
  EXPECT_THAT(refused({2, 4, 3, 8}, {2, 3, 3}, false, {}), HasSubstr("cos_cache is f32[2,3,3]"));
}

TEST(OnnxNorms, of_root_mean_squares_are_one_op_over_all_axes_from_the_named_one) {
  for (const int64_t axis : {-1, 1, 0}) {
    const std::vector<Operand> operands = {
        {"x", kFloat, {2, 3, 4}                          },
        {"g", kFloat, axis == -1 ? Shape{4} : Shape{1, 4}}
    };
    const Numbers attributes = {
        {"axis",    static_cast<double>(axis)},
        {"epsilon", 0.5                      }
    };
    const auto in = values_of(operands);
    const int64_t size = axis == -1 ? 4 : axis == 1 ? 12 : 24;
    std::vector<double> wanted;
    for (int64_t i = 0; i < 24; ++i) {
      double squares = 0;
      for (int64_t j = i / size * size; j < (i / size + 1) * size; ++j)
        squares += in.at("x").data[j] * in.at("x").data[j];
      wanted.push_back(in.at("x").data[i] / std::sqrt(squares / size + 0.5) *
                       in.at("g").data[i % 4]);
    }
    const ModelBuilder m = one_node("RMSNormalization", 23, operands, attributes);
    EXPECT_THAT(imported(m), HasSubstr("rms_norm"));
    const auto got = run(m, in);
    ASSERT_EQ(got.size(), 1u);
    expect_near(got[0].data, wanted);
  }
}

// Six channels in three groups, each scaled by its channel (from opset 21 on) or by its group.
TEST(OnnxNorms, of_groups_scale_each_channel_or_before_opset_21_each_group) {
  for (const int opset : {18, 21}) {
    const int64_t scales = opset == 18 ? 3 : 6;
    const std::vector<Operand> operands = {
        {"x", kFloat, {2, 6, 4}},
        {"g", kFloat, {scales} },
        {"b", kFloat, {scales} }
    };
    const auto in = values_of(operands);
    const std::vector<double>& x = in.at("x").data;
    std::vector<double> wanted;
    for (size_t i = 0; i < x.size(); ++i) {
      double sum = 0, squares = 0;
      for (size_t j = i / 8 * 8; j < (i / 8 + 1) * 8; ++j) sum += x[j];
      for (size_t j = i / 8 * 8; j < (i / 8 + 1) * 8; ++j)
        squares += (x[j] - sum / 8) * (x[j] - sum / 8);
      const size_t at = opset == 18 ? i / 8 % 3 : i / 4 % 6;
      wanted.push_back((x[i] - sum / 8) / std::sqrt(squares / 8 + 1e-5) * in.at("g").data[at] +
                       in.at("b").data[at]);
    }
    const auto got = run(one_node("GroupNormalization", opset, operands,
                                  {
                                      {"num_groups", 3}
    }),
                         in);
    ASSERT_EQ(got.size(), 1u);
    expect_near(got[0].data, wanted);
    EXPECT_THAT(imported(one_node("GroupNormalization", opset, operands,
                                  {
                                      {"num_groups", 4}
    })),
                HasSubstr("num_groups is 4, must be [batch, channels"));
    EXPECT_THAT(imported(one_node("GroupNormalization", opset == 18 ? 21 : 18, operands,
                                  {
                                      {"num_groups", 3}
    })),
                HasSubstr(opset == 18 ? "each of 6 channels" : "each of 3 groups"));
  }
}

TEST(OnnxSwish, is_x_times_the_sigmoid_of_alpha_x) {
  const std::vector<Operand> operands = {
      {"x", kFloat, {5}}
  };
  const auto in = values_of(operands);
  std::vector<double> wanted;
  for (const double x : in.at("x").data) wanted.push_back(x / (1 + std::exp(-0.5 * x)));
  const auto got = run(one_node("Swish", 24, operands,
                                {
                                    {"alpha", 0.5}
  }),
                       in);
  ASSERT_EQ(got.size(), 1u);
  expect_near(got[0].data, wanted);
}

}  // namespace
}  // namespace tessera::test
