// SPDX-License-Identifier: Apache-2.0
// com.microsoft's operations as ONNX Runtime's transformer optimizer writes them. The answers of
// AGAINST_RUNTIME are those of ONNX Runtime 1.32 on its CPU, of operands that pattern() makes.
#include "tests/compiler/onnx/import/contrib.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace tessera::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Recorded {
  const char *name, *op, *operands, *attributes;
  std::vector<double> answers;
};

// clang-format off
const std::vector<Recorded> kRecorded = {
    {"attention", "Attention", "x:2,3,2 w:2,6 b:6", "num_heads=2", {0.207003, -1.56326, 0.209432, -1.55246, 0.211858, -1.54186, 0.664621, 0.0096449, 0.663844, -2.24053, 0.663846, -2.23675}},
    {"attention_without_a_bias", "Attention", "x:2,3,2 w:2,6 _", "num_heads=2", {-0.332003, -0.521365, -0.329571, -0.511508, -0.327136, -0.501935, 0.168018, 1.06848, 0.165216, -1.21383, 0.165051, -1.19953}},
    {"lengths", "Attention", "x:2,3,2 w:2,6 b:6 m=2,3@2", "num_heads=2", {0.0385689, -1.44543, 0.0394821, -1.44127, 0.0403948, -1.43715, 0.664621, 0.0096449, 0.663844, -2.24053, 0.663846, -2.23675}},
    {"ends_and_starts", "Attention", "x:2,3,2 w:2,6 b:6 m=2,3,0,1@4", "num_heads=2", {0.0385689, -1.44543, 0.0394821, -1.44127, 0.0403948, -1.43715, 0.603807, 0.0669258, 0.614681, -0.0399923, 0.615579, -0.0365662}},
    {"lengths_and_where_rows_start", "Attention", "x:2,3,2 w:2,6 b:6 m=2,3,0,3,6,0,3,6@8", "num_heads=2", {0.0385689, -1.44543, 0.0394821, -1.44127, 0.0403948, -1.43715, 0.664621, 0.0096449, 0.663844, -2.24053, 0.663846, -2.23675}},
    {"a_mask_of_tokens", "Attention", "x:2,3,2 w:2,6 b:6 m=0,1,1,1,0,1@2,3", "num_heads=2", {0.351069, -1.75793, 0.351982, -1.75377, 0.352895, -1.74965, 0.777244, -0.256005, 0.773025, -2.24336, 0.772686, -2.24087}},
    {"a_mask_of_pairs", "Attention", "x:2,3,2 w:2,6 b:6 m=1,0,1,1,1,0,0,0,1,1,1,1,0,1,0,1,0,0@2,3,3", "num_heads=2", {0.216711, -1.53374, 0.0394821, -1.44127, 0.5, -1.9375, 0.664621, 0.0096449, 0.4375, 0.1875, 0.8125, -2.25}},
    {"a_key_that_no_query_sees_by_time_and_mask", "Attention", "x:2,3,2 w:2,6 b:6 m=0,1,1,1,0,1@2,3", "num_heads=2 unidirectional=1", {-0.125, -1.3125, 0.1875, -1.625, 0.352895, -1.74965, 0.8125, -2.25, 0.8125, -2.25, 0.772686, -2.24087}},
    {"another_scale_and_number", "Attention", "x:2,3,2 w:2,6 b:6 m=0,3@2", "num_heads=2 scale=0.5 mask_filter_value=-2.0", {0.197262, -1.59379, 0.198481, -1.58817, 0.1997, -1.58257, 0.665483, -0.184736, 0.664558, -2.06438, 0.664498, -2.03299}},
    {"a_bias_of_scores", "Attention", "x:2,3,2 w:2,6 b:6 m=2,3@2 _ r:1,2,3,3", "num_heads=2", {0.122846, -1.5378, 0.123444, -1.35476, -0.0623257, -1.3528, 0.552907, 0.124453, 0.55223, -2.24419, 0.738779, -2.24196}},
    {"deeper_values", "Attention", "x:2,3,2 w:2,8 b:8", "num_heads=2 qkv_hidden_sizes=2,2,4", {0.0820114, -1.76301, 1.2733, -1.92197, 0.0897894, -1.76819, 1.28187, -1.91625, 0.0975409, -1.77336, 1.2903, -1.91064, 0.73385, -0.542871, -0.725824, -0.342839, 0.74199, -0.412567, 0.868206, -2.18007, 0.743459, -0.394284, 0.863556, -2.17495}},
    {"shallower_values", "Attention", "x:2,3,2 w:2,10 b:10", "num_heads=2 qkv_hidden_sizes=4,4,2", {0.9375, 0.503219, 0.9375, 0.502645, 0.9375, 0.502071, -0.887672, 0.674582, 0.906736, 1.58946, 0.89635, 1.31161}},
    {"multi_head", "MultiHeadAttention", "q:1,2,4 k:1,3,4 v:1,3,4", "num_heads=2", {0.347591, 0.00793065, 0.220575, -0.280649, 0.350131, 0.141847, 0.107287, -0.0551398}},
    {"multi_head_bias", "MultiHeadAttention", "q:1,2,4 k:1,3,4 v:1,3,4 b:12", "num_heads=2", {1.01797, -0.563349, 0.581035, -0.997511, 0.997276, -0.403294, 0.488212, -0.775555}},
    {"multi_head_lengths", "MultiHeadAttention", "q:1,2,4 k:1,3,4 v:1,3,4 _ m=2@1", "num_heads=2", {0.601308, -0.898692, 0.488959, -1.01104, 0.660269, -0.839731, 0.445639, -1.05436}},
    {"multi_head_lengths_and_starts", "MultiHeadAttention", "q:1,2,4 k:1,3,4 v:1,3,4 _ m=2,0,2,0,3@5", "num_heads=2", {0.601308, -0.898692, 0.488959, -1.01104, 0.660269, -0.839731, 0.445639, -1.05436}},
    {"multi_head_mask", "MultiHeadAttention", "q:1,2,4 k:1,3,4 v:1,3,4 _ m=1,0,1@1,3", "num_heads=2", {0.217273, 0.869773, 0.205921, 0.202139, 0.265716, 0.784996, 0.0423737, 0.488346}},
    {"multi_head_mask_of_pairs", "MultiHeadAttention", "q:1,2,4 k:1,3,4 v:1,3,4 _ m=1,0,1,0,1,1@1,2,3", "num_heads=2", {0.217273, 0.869773, 0.205921, 0.202139, 0.217047, 0.273288, -0.0543608, 0.119624}},
    {"multi_head_added", "MultiHeadAttention", "q:1,2,4 k:1,3,4 v:1,3,4 _ _ r:1,1,2,3", "num_heads=2 scale=0.25", {0.485728, -0.587262, 0.265743, -0.814412, 0.491333, -0.548571, 0.244752, -0.778876}},
    {"keys_by_heads", "MultiHeadAttention", "q:1,2,4 k:1,2,3,2 v:1,2,3,2 b:12", "num_heads=2", {0.641891, -0.858109, -0.043684, 0.519355, 0.652312, -0.847688, -0.0713565, 0.625991}},
    {"embeddings", "EmbedLayerNormalization", "i=1,0,2,3@2,2 _ w:4,3 p:3,3 _ g:3 b:3", "", {-0.110999, 0.948501, -0.869, 0.224745, 0.25, -2.16856, -1.593, 0.657687, -0.19372, 0.224745, 0.25, -2.16856}},
    {"embeddings_of_segments", "EmbedLayerNormalization", "i=1,0,2,3@2,2 s=0,1,1,0@2,2 w:4,3 p:3,3 t:2,3 g:3 b:3", "epsilon=0.01", {-1.13786, 0.651199, -1.13418, -0.134867, 1.31662, 0.93916, 0.965661, 1, -2.01958, -1.40133, 0.683385, -0.643916}},
    {"embeddings_at_positions", "EmbedLayerNormalization", "i=1,0,2,3@2,2 _ w:4,3 p:3,3 _ g:3 b:3 _ at=2,0@1,2", "", {0.224745, 0.25, -2.16856, 0.224745, 0.25, -2.16856, -2.40837, -0.157687, -0.80525, 0.224745, 0.25, -2.16856}},
    {"sum_and_norm", "SkipLayerNormalization", "x:1,2,3 s:1,2,3 g:3 b:3 c:3", "", {-1.11625, -0.389362, -2.12186, 0.162476, 0.889362, -1.16281}},
    {"sum_and_norm_without_a_shift", "SkipLayerNormalization", "x:2,2,3 s:2,3 g:3", "", {1.22474, -0, -0.918559, 0.889001, 0.698501, 0.381, -0.592999, 0.407687, 1.05628, 1.22474, -0, -0.918559}},
    {"root_mean_square", ":SimplifiedLayerNormalization", "x:2,3 g:3", "", {-0.184635, -1.38476, -0, 0.18898, 1.8898, 0}},
    {"sum_and_root_mean_square", "SkipSimplifiedLayerNormalization", "x:1,2,3 s:1,2,3 g:3 c:3", "", {-0.912871, 0.0912871, -1.09545, 1.03923, 0.69282, 0}},
    {"a_scale_with_axes_before", ":LayerNormalization", "x:2,3 g:1,3 b:1,3", "", {0.873001, -2.24623, 0.75, 1.22225, 1.24623, 0.75}},
    {"a_scale_for_each_row", ":LayerNormalization", "x:2,2,3 g:2,3 b:3", "", {0.873001, -2.24623, 0.75, 2.11124, -0.150754, 1.25799, 0.693815, -0.5, 0.75, 0.365007, -0.849246, -0.138991}},
    {"quick_gelu", "QuickGelu", "x:5", "", {-0.149612, 0.58639, -0.16361, 0.350388, -0.154204}},
    {"quick_gelu_by_alpha", "QuickGelu", "x:5", "alpha=1.0", {-0.18877, 0.509384, -0.240616, 0.31123, -0.268941}},
    {"bias_and_fast_gelu", "FastGelu", "x:2,3 b:3", "", {-0.100325, -0.154286, -0.170039, 0.579961, -0.0272014, 0.149675}},
    {"bias_and_gelu", "BiasGelu", "x:2,3 b:3", "", {-0.100323, -0.154269, -0.169971, 0.580029, -0.027505, 0.149677}},
    {"rows_first", "FusedMatMul", "a:2,2,2 b:2,2,2", "transBatchA=1 transA=1 alpha=0.5", {-0.0625, -0.3125, 0.09375, -0.3125, 0.40625, -0.84375, -0.0625, 0.25}},
    {"rows_first_on_the_right", "FusedMatMul", "a:2,2,2 b:2,2,2", "transBatchB=1 transB=1", {-1.0625, 0.875, -0.8125, 0.6875, 0.3125, 0.6875, 0, 0.625}},
    {"gemm_and_sigmoid", "FusedGemm", "a:2,2 b:2,2 c:2", "activation=Sigmoid", {0.705785, 0.743168, 0.692642, 0.743168}},
    {"gemm_and_leaky_relu", "FusedGemm", "a:2,2 b:2,2 c:2", "activation=LeakyRelu activation_alpha=0.5", {0.875, 1.0625, 0.8125, 1.0625}},
    {"turned_by_halves", "RotaryEmbedding", "x:1,2,4 p=1,0@1,2 c:3,1 s:3,1", "num_heads=2", {1, -0.6875, 1.1875, -0.25, -0.5, -0.9375, -0.3125, -1.25}},
    {"turned_by_neighbours", "RotaryEmbedding", "x:1,2,4 p=1,0@1,2 c:3,2 s:3,2", "interleaved=1", {-0.5625, -0.375, -0.5625, 1.1875, -0.5, -0.9375, 1.5625, 0.625}},
    {"turned_by_heads", "RotaryEmbedding", "x:1,2,2,2 p=1,2@1,2 c:3,1 s:3,1", "", {1, -0.6875, -0.375, -0.5625, 1.375, 0.1875, -0, -0.9375}},
    {"turned_from_one_place_on", "RotaryEmbedding", "x:1,2,4 p=1@1 c:3,2 s:3,2", "", {0.5625, 1.3125, -0.375, 0.0625, 0.875, 0.25, -0.1875, -0.25}},
    {"turned_in_part", "RotaryEmbedding", "x:1,2,8 p=1,0@1,2 c:3,1 s:3,1", "num_heads=2 rotary_embedding_dim=2", {1, -0.6875, -0.75, 0.5, 1.375, 0.1875, -1.25, 0, 0.5625, 1.1875, 1, -0.5, 0.9375, 0.5625, 0.5, -1}},
    {"groups", "GroupQueryAttention", "q:1,2,16 k:1,2,8 v:1,2,8 _ _ l=1@1 t=2@1", "num_heads=2 kv_num_heads=1", {1, -0.5, 0.75, -0.75, 0.5, -1, 0.25, -1.25, 1, -0.5, 0.75, -0.75, 0.5, -1, 0.25, -1.25, 0.895052, -0.316341, 0.645052, -0.566341, 0.395052, -0.816341, 0.145052, -1.06634, 0.104948, 1.06634, -0.145052, 0.816341, -0.395052, 0.566341, -0.645052, 0.316341}},
    {"groups_in_a_window", "GroupQueryAttention", "q:1,2,16 k:1,2,8 v:1,2,8 _ _ l=1@1 t=2@1", "num_heads=2 kv_num_heads=1 local_window_size=1", {1, -0.5, 0.75, -0.75, 0.5, -1, 0.25, -1.25, 1, -0.5, 0.75, -0.75, 0.5, -1, 0.25, -1.25, 0, 1.25, -0.25, 1, -0.5, 0.75, -0.75, 0.5, 0, 1.25, -0.25, 1, -0.5, 0.75, -0.75, 0.5}},
    {"groups_with_a_cap", "GroupQueryAttention", "q:1,2,16 k:1,2,8 v:1,2,8 _ _ l=1@1 t=2@1", "num_heads=2 kv_num_heads=1 softcap=1.5 scale=0.5", {1, -0.5, 0.75, -0.75, 0.5, -1, 0.25, -1.25, 1, -0.5, 0.75, -0.75, 0.5, -1, 0.25, -1.25, 0.867957, -0.268924, 0.617957, -0.518924, 0.367957, -0.768924, 0.117957, -1.01892, 0.132043, 1.01892, -0.117957, 0.768924, -0.367957, 0.518924, -0.617957, 0.268924}},
    {"groups_that_are_turned", "GroupQueryAttention", "q:1,2,16 k:1,2,16 v:1,2,16 _ _ l=1@1 t=2@1 c:4,8 s:4,8", "num_heads=1 kv_num_heads=1 do_rotary=1", {1, -0.5, 0.75, -0.75, 0.5, -1, 0.25, -1.25, 0, 1.25, -0.25, 1, -0.5, 0.75, -0.75, 0.5, -0.185805, -0.0553233, -0.435805, -0.305323, 0.944677, -0.555323, 0.694677, -0.805323, 0.444677, 0.0641953, 0.194677, -0.185805, -0.0553233, -0.435805, -0.305323, 0.944677}},
    {"groups_turned_by_neighbours", "GroupQueryAttention", "q:1,2,16 k:1,2,16 v:1,2,16 _ _ l=1@1 t=2@1 c:4,8 s:4,8", "num_heads=1 kv_num_heads=1 do_rotary=1 rotary_interleaved=1", {1, -0.5, 0.75, -0.75, 0.5, -1, 0.25, -1.25, 0, 1.25, -0.25, 1, -0.5, 0.75, -0.75, 0.5, -0.368528, 0.013198, -0.618528, -0.236802, 1.0132, -0.486802, 0.763198, -0.736802, 0.513198, -0.118528, 0.263198, -0.368528, 0.013198, -0.618528, -0.236802, 1.0132}},
    {"groups_packed", "GroupQueryAttention", "q:1,2,32 _ _ _ _ l=1@1 t=2@1", "num_heads=2 kv_num_heads=1", {-0.75, 0.5, -1, 0.25, -1.25, 0, 1.25, -0.25, -0.75, 0.5, -1, 0.25, -1.25, 0, 1.25, -0.25, 0.247284, -0.33107, -0.00271618, -0.58107, -0.252716, -0.83107, 0.41893, 0.747284, -0.31144, 0.134533, -0.56144, -0.115467, -0.81144, -0.365467, 0.884533, 0.188561}},
    {"groups_that_see_all", "GroupQueryAttention", "q:1,2,16 k:1,2,8 v:1,2,8 _ _ l=1@1 t=2@1", "num_heads=2 kv_num_heads=1 causal=0", {0.444981, 0.471283, 0.194981, 0.221283, -0.055019, -0.0287167, -0.305019, -0.278717, 0.527593, 0.326712, 0.277593, 0.0767118, 0.0275933, -0.173288, -0.222407, -0.423288, 0.895052, -0.316341, 0.645052, -0.566341, 0.395052, -0.816341, 0.145052, -1.06634, 0.104948, 1.06634, -0.145052, 0.816341, -0.395052, 0.566341, -0.645052, 0.316341}},
};
// clang-format on

TEST(Contrib, agrees_with_answers_of_onnx_runtime) {
  for (const Recorded& row : kRecorded) {
    SCOPED_TRACE(row.name);
    const auto given = OneNode(row.op, row.operands, row.attributes).answers();
    ASSERT_TRUE(given.ok()) << given.error().message;
    ASSERT_EQ((*given)[0].size(), row.answers.size());
    for (size_t i = 0; i < row.answers.size(); ++i)
      EXPECT_NEAR((*given)[0][i], row.answers[i], 1e-5 * (1 + std::abs(row.answers[i])));
  }
}

// --- What ONNX Runtime has on no CPU: equal to what it stands for. ---

// [tokens,heads,parts,depth] from the parts [tokens,heads,depth].
std::vector<double> interleaved(const std::vector<std::vector<double>>& parts, size_t depth) {
  std::vector<double> all;
  for (size_t at = 0; at < parts[0].size(); at += depth)
    for (const std::vector<double>& part : parts)
      all.insert(all.end(), part.begin() + at, part.begin() + at + depth);
  return all;
}

TEST(Contrib, packed_queries_keys_and_values_are_those_side_by_side) {
  const OneNode apart("MultiHeadAttention", "q:1,3,4 k:1,3,4 v:1,3,4", "num_heads=2");
  OneNode all("MultiHeadAttention", "q:1,3,2,3,2", "num_heads=2");
  all.inputs["q"].data = interleaved(
      {apart.inputs.at("q").data, apart.inputs.at("k").data, apart.inputs.at("v").data}, 2);
  EXPECT_EQ(first_answer(all), first_answer(apart));
  OneNode two("MultiHeadAttention", "q:1,3,4 k:1,3,2,2,2", "num_heads=2");
  two.inputs["k"].data = interleaved({apart.inputs.at("k").data, apart.inputs.at("v").data}, 2);
  EXPECT_EQ(first_answer(two), first_answer(apart));
}

TEST(Contrib, a_residual_is_added_behind_the_bias) {
  const OneNode node("BiasAdd", "x:1,1,2 b:2 s:1,1,2", "");
  // -2/4 + 1/4 + 4/4 and 3/4 - 5/4 - 2/4
  EXPECT_THAT(first_answer(node), ElementsAre(0.75, -1.0));
}

TEST(Contrib, a_product_with_a_bias_under_fast_gelu_is_one_of_its_parts) {
  const OneNode whole("GemmFastGelu", "x:2,2 w:2,2 b:2", "");
  OneNode part("FastGelu", "x:2,2", "");
  const auto &x = whole.inputs.at("x").data, &w = whole.inputs.at("w").data,
             &b = whole.inputs.at("b").data;
  for (size_t i = 0; i < 4; ++i)
    part.inputs["x"].data[i] = x[i / 2 * 2] * w[i % 2] + x[i / 2 * 2 + 1] * w[2 + i % 2] + b[i % 2];
  EXPECT_EQ(first_answer(whole), first_answer(part));
}

TEST(Contrib, a_softmax_of_scores_and_a_bias_adds_up_to_one) {
  const std::vector<double> y =
      first_answer(OneNode("BiasSoftmax", "x:1,2,2,2 b:1,1,1,2", "axis=3 is_inner_broadcast=1"));
  for (size_t i = 0; i < 8; i += 2) EXPECT_NEAR(y[i] + y[i + 1], 1, 1e-6);
  // Scores -2/4 and 3/4, of a bias 1/4 and -5/4.
  EXPECT_NEAR(y[0], 1 / (1 + std::exp(-0.25)), 1e-6);
}

// --- The other results. ---

TEST(Contrib, embeddings_count_the_ones_of_their_mask) {
  const OneNode node("EmbedLayerNormalization",
                     "i=1,0,2,3@2,2 _ w:4,3 p:3,3 _ g:3 b:3 m=1,0,1,1@2,2", "mask_index_type=1",
                     {"y", "lengths", "sum"});
  const auto answers = node.answers();
  ASSERT_TRUE(answers.ok()) << answers.error().message;
  EXPECT_THAT((*answers)[1], ElementsAre(1, 2));
  // Row 1 of the words, 0/4 5/4 -1/4, and row 0 of the positions, 1/4 -5/4 0/4.
  EXPECT_THAT(std::vector<double>((*answers)[2].begin(), (*answers)[2].begin() + 3),
              ElementsAre(node.inputs.at("w").data[3] + node.inputs.at("p").data[0],
                          node.inputs.at("w").data[4] + node.inputs.at("p").data[1],
                          node.inputs.at("w").data[5] + node.inputs.at("p").data[2]));
}

TEST(Contrib, attentions_give_their_keys_and_values_by_heads) {
  const OneNode node("MultiHeadAttention", "q:1,1,2 k:1,2,2 v:1,2,2", "num_heads=2",
                     {"y", "keys", "values"});
  const auto answers = node.answers();
  ASSERT_TRUE(answers.ok()) << answers.error().message;
  const auto &k = node.inputs.at("k").data, &v = node.inputs.at("v").data;
  EXPECT_THAT((*answers)[1], ElementsAre(k[0], k[2], k[1], k[3]));
  EXPECT_THAT((*answers)[2], ElementsAre(v[0], v[2], v[1], v[3]));
}

// In f16 ONNX Runtime's own number would be -infinity, and a row of padding alone NaN.
TEST(Contrib, a_number_that_hides_stays_within_halves) {
  ModelBuilder m(17);
  auto& import = *m.model.add_opset_import();
  import.set_domain("com.microsoft");
  import.set_version(1);
  m.input("q", TensorProto::FLOAT16, "1,2,4").input("m", kInt32, "1,2").output("y");
  ::onnx::NodeProto& node = m.node("MultiHeadAttention", {"q", "q", "q", "", "m"}, {"y"});
  node.set_domain("com.microsoft");
  set_attribute(node, "num_heads=2");
  set_attribute(node, "mask_filter_value=-1000000.0");
  EXPECT_THAT(imported(m), HasSubstr("constant {value=-65504} : f16"));
}

// --- What is refused, by name. ---

TEST(Contrib, past_keys_are_refused) {
  EXPECT_EQ(refusal("Attention", "x:1,1,2 w:2,6 b:6 _ past:2,1,2,3,1", "num_heads=2"),
            "node 'n' (Attention): takes past keys and values (input 4), must not: give the whole "
            "sequence in one call");
  EXPECT_THAT(refusal("MultiHeadAttention", "q:1,1,2 k:1,1,2 v:1,1,2 _ _ _ pk:1,2,3,1 pv:1,2,3,1",
                      "num_heads=2"),
              HasSubstr("takes past keys and values (input 6)"));
  EXPECT_THAT(refusal("Attention", "x:1,1,2 w:2,6 b:6", "num_heads=2 do_rotary=1"),
              HasSubstr("do_rotary is on, must be off: "));
  EXPECT_THAT(refusal("Attention", "x:1,1,2 w:2,6 b:6", "num_heads=2 past_present_share_buffer=1"),
              HasSubstr("past_present_share_buffer is on, must be off: it is a decoder's"));
}

TEST(Contrib, masks_of_other_shapes_are_refused_with_those_that_are_taken) {
  const std::string four =
      refusal("Attention", "x:1,2,2 w:2,6 b:6 m=1,1,1,1@1,1,2,2", "num_heads=2");
  EXPECT_THAT(four, HasSubstr("mask_index is i32[1,1,2,2], a mask of all places in the cache of a "
                              "decoder, must be of the places of this batch"));
  EXPECT_THAT(refusal("MultiHeadAttention", "q:2,1,2 k:2,1,2 v:2,1,2 _ m=1,1,1@3", "num_heads=2"),
              HasSubstr("key_padding_mask is i32[3], must be integers of [batch], [2 x batch]"));
  EXPECT_THAT(refusal("MultiHeadAttention", "q:1,1,2 k:1,3,2 v:1,3,2 _ _ r:1,1,3,3", "num_heads=2"),
              HasSubstr("what is added to the scores is f32[1,1,3,3], must stretch to [1,2,1,3]"));
}

TEST(Contrib, sizes_that_do_not_fit_are_refused) {
  EXPECT_THAT(refusal("Attention", "x:1,2,2 w:2,8 b:8", "num_heads=2 qkv_hidden_sizes=2,4,2"),
              HasSubstr("must be three sizes that add up to the columns, the first two alike"));
  EXPECT_THAT(refusal("Attention", "x:1,2,2 w:2,6 b:6", ""), HasSubstr("num_heads is 0, must be"));
  EXPECT_THAT(refusal("MultiHeadAttention", "q:1,2,4", "num_heads=2"),
              HasSubstr("query, key and value are f32[1,2,4], left out, left out, must be"));
}

TEST(Contrib, embeddings_need_their_tables) {
  EXPECT_EQ(refusal("EmbedLayerNormalization", "i=1@1,1 _ _ p:2,2 _ g:2 b:2", "", {"y", ""}),
            "node 'n' (EmbedLayerNormalization): input 2 is left out, must be given");
  EXPECT_THAT(refusal("EmbedLayerNormalization", "i=1@1,1 s=0@1,1 w:2,2 p:2,2 _ g:2 b:2", ""),
              HasSubstr("has segment_ids or segment_embedding (inputs 1 and 4) alone"));
  EXPECT_THAT(
      refusal("EmbedLayerNormalization", "i=1@1,1 _ w:2,2 p:2,2 _ g:2 b:2", "mask_index_type=2"),
      HasSubstr("mask_index_type is 2, must be 0 (none) or 1"));
}

// --- Numbers by distance, as T5 has them; buckets are worked by hand. ---

std::vector<double> buckets(const std::string& attributes, int64_t queries, int64_t keys) {
  OneNode node("RelativePositionBias", "t:4,1", attributes);
  for (size_t i = 0; i < 4; ++i) node.inputs["t"].data[i] = static_cast<double>(i);
  ::onnx::NodeProto& op = *node.model.graph().mutable_node(0);
  op.add_input("q");
  op.add_input("k");
  node.model.ints("q", {queries}).ints("k", {keys});
  return first_answer(node);
}

TEST(Contrib, near_distances_have_a_bucket_each_and_far_ones_share) {
  EXPECT_THAT(buckets("max_distance=8", 6, 1), ElementsAre(0, 1, 2, 2, 3, 3));
  EXPECT_THAT(buckets("max_distance=8", 1, 3), ElementsAre(0, 0, 0));
  EXPECT_THAT(buckets("max_distance=8 is_bidirectional=1", 2, 2), ElementsAre(0, 3, 1, 0));
}

TEST(Contrib, what_a_prompt_does_not_have_is_refused) {
  const std::string all = "q:1,2,16 k:1,2,8 v:1,2,8 ";
  const std::string heads = "num_heads=2 kv_num_heads=1";
  EXPECT_THAT(refusal("GroupQueryAttention", all + "pk:1,1,3,8 pv:1,1,3,8 l=4@1 t=5@1", heads),
              HasSubstr("takes past keys and values (input 3), must not"));
  EXPECT_THAT(refusal("GroupQueryAttention", all + "_ _ l=1@1 t=2@1 _ _ _ _ s:2", heads),
              HasSubstr("head_sink is given, must be left out"));
  EXPECT_THAT(refusal("GroupQueryAttention", all + "_ _ l=1@1 t=2@1", heads + " smooth_softmax=1"),
              HasSubstr("smooth_softmax is on, must be off"));
  EXPECT_THAT(refusal("GroupQueryAttention", all + "_ _ _ t=2@1", heads),
              HasSubstr("input 5 is left out, must be given"));
  EXPECT_THAT(refusal("RotaryEmbedding", "x:1,2,4 p=1@1 c:3,2 s:3,2", "is_packed_batching=1"),
              HasSubstr("is_packed_batching is on, must be off"));
  EXPECT_THAT(refusal("RotaryEmbedding", "x:1,2,4 p=1,2,3@3 c:3,2 s:3,2", ""),
              HasSubstr("position_ids is i32[3], must be [1] or [1,2]"));
}

}  // namespace
}  // namespace tessera::test
