// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/codelets/attention_vertex.h"

namespace tessera {
namespace {

TEST(Attention, of_one_key_is_its_value) {
  const VertexArray one = array(F32, {1, 1, 1, 3}, {1, 2, 3});
  EXPECT_EQ(attend({one, one, one}, kNone, {}).values, one.values);
}

TEST(Attention, agrees_with_doubles_at_odd_sizes) {
  std::mt19937 random(1);
  for (const int64_t d : {1, 8, 10, 16, 33, 64}) {
    for (const int64_t s : {1, 7, 16, 17, 40}) {
      const Qkv is = random_qkv(random, {2, 1 + (d + s) % 9, 2, d}, s);
      expect_close(attend(is, kNone, {}), attention_of(is, all), 1e-5);
    }
  }
}

TEST(Attention, agrees_with_doubles_at_any_stride_and_type) {
  std::mt19937 random(2);
  for (int mix = 0; mix < 4; ++mix) {
    Qkv is = random_qkv(random, {2, 7, 3, 10}, 21, mix & 1 ? F16 : F32);
    is.q = with_gaps(is.q, 3, 1);
    is.k = with_gaps(is.k, 5, 2);
    is.v = with_gaps(is.v, 2, 1);
    const DType type = mix & 2 ? F16 : F32;
    const VertexArray out = with_gaps(output(type, is.q.size), 7, 1);
    expect_close(run_vertex("attention", params(kNone), {is.q, is.k, is.v, out})[0],
                 attention_of(is, all), type == F16 ? 5e-4 : 1e-5);
  }
}

TEST(Attention, sees_the_keys_that_a_mask_names) {
  std::mt19937 random(3);
  const Qkv is = random_qkv(random, {2, 13, 2, 70}, 35);
  VertexArray mask = ints({2, 35}, std::vector<int32_t>(70));
  for (double& value : mask.values) value = random() % 3 == 0 ? 5 : 0;
  expect_close(attend(is, kKeys, {mask}),
               attention_of(is, [&](int64_t b, int64_t, int64_t,
                                    int64_t s) { return seen(mask.at({b, s}) != 0); }),
               1e-5);
}

TEST(Attention, sees_as_many_keys_as_the_length_says) {
  std::mt19937 random(4);
  const Qkv is = random_qkv(random, {4, 5, 1, 8}, 35);
  const VertexArray lengths = ints({4}, {1, 35, 0, 20});
  expect_close(attend(is, kLengths, {lengths}),
               attention_of(is, [&](int64_t b, int64_t, int64_t,
                                    int64_t s) { return seen(double(s) < lengths.at({b})); }),
               1e-5);
}

TEST(Attention, sees_its_own_segment_only) {
  std::mt19937 random(5);
  const Qkv is = random_qkv(random, {2, 20, 2, 8}, 20);
  const VertexArray ids =
      ints({2, 20}, {1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 4, 4, 4, 4, 0, 0, 0,
                     7, 7, 1, 1, 7, 7, 7, 0, 0, 1, 1, 1, 1, 2, 1, 2, 1, 2, 9, 9});
  expect_close(attend(is, kSegments, {ids, ids}),
               attention_of(is,
                            [&](int64_t b, int64_t, int64_t r, int64_t s) {
                              return seen(ids.at({b, r}) != 0 && ids.at({b, r}) == ids.at({b, s}));
                            }),
               1e-5);
}

TEST(Attention, adds_a_bias_of_any_broadcast_after_the_scale) {
  std::mt19937 random(6);
  const Qkv is = random_qkv(random, {2, 5, 3, 8}, 21);
  for (int shape = 0; shape < 8; ++shape) {
    const VertexArray bias = with_gaps(
        random_array(shape & 1 ? F16 : F32,
                     {shape & 1 ? 2 : 1, shape & 2 ? 3 : 1, shape & 4 ? 5 : 1, 21}, random),
        3, 1);
    expect_close(
        attend(is, kBias, {bias}),
        attention_of(is,
                     [&](int64_t b, int64_t h, int64_t r, int64_t s) {
                       return bias.at({shape & 1 ? b : 0, shape & 2 ? h : 0, shape & 4 ? r : 0, s});
                     }),
        1e-5);
  }
}

TEST(Attention, of_a_query_that_sees_no_key_is_zero) {
  std::mt19937 random(7);
  const Qkv is = random_qkv(random, {1, 3, 1, 8}, 20);
  const VertexArray nothing = ints({1, 20}, std::vector<int32_t>(20, 0));
  const VertexArray never = array(F32, {1, 1, 1, 20}, std::vector<double>(20, -INFINITY));
  using ::testing::Each;
  EXPECT_THAT(attend(is, kKeys, {nothing}).values, Each(0));
  EXPECT_THAT(attend(is, kLengths, {ints({1}, {0})}).values, Each(0));
  EXPECT_THAT(attend(is, kLengths, {ints({1}, {-5})}).values, Each(0));
  EXPECT_THAT(attend(is, kSegments, {ints({1, 3}, {0, 4, 4}), nothing}).values, Each(0));
  EXPECT_THAT(attend(is, kBias, {never}).values, Each(::testing::IsNan()));
}

// With the number that hides, it attends to all keys by what that leaves of their scores.
TEST(Attention, of_a_query_that_sees_no_key_may_be_that_of_all_keys) {
  std::mt19937 random(7);
  const Qkv is = random_qkv(random, {1, 3, 1, 8}, 20);
  const VertexArray nothing = ints({1, 20}, std::vector<int32_t>(20, 0));
  const auto hidden_by = [&](double number) {
    std::vector<Param> with = params(kKeys);
    with.push_back({"hidden", {number}});
    return run_vertex("attention", with, {is.q, is.k, is.v, nothing, output(F32, is.q.size)})[0];
  };
  const std::vector<double> all = attend(is, kNone, {}).values;
  const std::vector<double> hidden = hidden_by(-1e4).values;
  for (size_t i = 0; i < all.size(); ++i) EXPECT_NEAR(hidden[i], all[i], 2e-3);
  const std::vector<double> mean = hidden_by(-3e38).values;
  for (size_t i = 0; i < mean.size(); ++i) {
    double sum = 0;
    for (size_t key = 0; key < 20; ++key) sum += is.v.values[key * 8 + i % 8];
    EXPECT_NEAR(mean[i], sum / 20, 1e-5);
  }
  EXPECT_THAT(hidden_by(-1e39).values, ::testing::Each(::testing::IsNan()));
}

TEST(Attention, adds_a_bias_to_the_keys_that_are_seen) {
  std::mt19937 random(16);
  const Qkv is = random_qkv(random, {2, 20, 2, 8}, 20);
  const VertexArray bias = random_array(F32, {1, 2, 20, 20}, random, 2);
  const VertexArray ids =
      ints({2, 20}, {0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 4, 4, 4, 4, 0, 0, 0,
                     7, 7, 1, 1, 7, 7, 7, 0, 0, 1, 1, 1, 1, 2, 1, 2, 1, 2, 9, 9});
  const VertexArray lengths = ints({2}, {3, 19});
  expect_close(attend(is, kKeysBias, {ids, bias}),
               attention_of(is,
                            [&](int64_t b, int64_t h, int64_t r, int64_t s) {
                              return seen(ids.at({b, s}) != 0) + bias.at({0, h, r, s});
                            }),
               1e-5);
  expect_close(attend(is, kSegmentsBias, {ids, ids, bias}),
               attention_of(is,
                            [&](int64_t b, int64_t h, int64_t r, int64_t s) {
                              const bool own = ids.at({b, r}) == ids.at({b, s});
                              return seen(ids.at({b, r}) != 0 && own) + bias.at({0, h, r, s});
                            }),
               1e-5);
  expect_close(attend(is, kLengthsBias, {lengths, bias}),
               attention_of(is,
                            [&](int64_t b, int64_t h, int64_t r, int64_t s) {
                              return seen(double(s) < lengths.at({b})) + bias.at({0, h, r, s});
                            }),
               1e-5);
}

TEST(Attention, a_guard_gives_zero_where_all_scores_are_minus_infinity) {
  std::mt19937 random(17);
  const Qkv is = random_qkv(random, {1, 3, 1, 8}, 20);
  std::vector<double> added(60, 0);
  for (size_t i = 20; i < 40; ++i) added[i] = -INFINITY;
  const VertexArray bias = array(F32, {1, 1, 3, 20}, added);
  const VertexArray out = attend(is, Mask(kBias + kGuard), {bias});
  expect_close(out,
               attention_of(is, [&](int64_t, int64_t, int64_t r,
                                    int64_t s) { return bias.at({0, 0, r, s}); }),
               1e-5);
  EXPECT_TRUE(std::isnan(attend(is, kBias, {bias}).at({0, 1, 0, 0})));
}

TEST(Attention, a_bias_of_the_lowest_number_hides_none_where_it_hides_all) {
  std::mt19937 random(18);
  const Qkv is = random_qkv(random, {1, 2, 1, 8}, 20);
  std::vector<double> added(40, std::numeric_limits<float>::lowest());
  added[3] = 0;  // the first query sees one key, the second none: all alike
  std::vector<double> added_half(40, -65504);  // what f16 has for it
  added_half[3] = 0;
  for (const VertexArray& bias :
       {array(F32, {1, 1, 2, 20}, added), array(F16, {1, 1, 2, 20}, added_half)}) {
    const VertexArray out = attend(is, kBias, {bias});
    for (int64_t d = 0; d < 8; ++d) {
      double mean = 0;
      for (int64_t s = 0; s < 20; ++s) mean += is.v.at({0, s, 0, d}) / 20;
      EXPECT_NEAR(out.at({0, 1, 0, d}), mean, 1e-5);
      EXPECT_NEAR(out.at({0, 0, 0, d}), is.v.at({0, 3, 0, d}), 1e-5);
    }
  }
}

TEST(Attention, refuses_shapes_that_do_not_fit) {
  const auto in = [](Shape size) {
    return array(F32, size, std::vector<double>(size_t(elements(size))));
  };
  const VertexArray q = in({2, 3, 1, 4});
  const VertexArray k = in({2, 5, 1, 4});
  const VertexArray out = output(F32, {2, 3, 1, 4});
  const auto why = [&](Mask mask, std::vector<VertexArray> operands) {
    return refusal("attention", params(mask), operands);
  };
  EXPECT_EQ(why(kNone, {q, in({2, 5, 1, 8}), k, out}),
            "attention: operand 1 is f32[2,5,1,8], must be float[2,*,1,4]");
  EXPECT_EQ(why(kNone, {q, k, in({2, 6, 1, 4}), out}),
            "attention: operand 2 is f32[2,6,1,4], must be float[2,5,1,4]");
  EXPECT_EQ(why(kKeys, {q, k, k, ints({2, 4}, std::vector<int32_t>(8)), out}),
            "attention: operand 3 is i32[2,4], must be i32[2,5]");
  EXPECT_EQ(why(kSegments, {q, k, k, ints({2, 5}, std::vector<int32_t>(10)),
                            ints({2, 5}, std::vector<int32_t>(10)), out}),
            "attention: operand 3 is i32[2,5], must be i32[2,3]");
  EXPECT_EQ(why(kLengths, {q, k, k, in({2}), out}),
            "attention: operand 3 is f32[2], must be i32[2]");
  EXPECT_EQ(why(kBias, {q, k, k, in({2, 1, 2, 5}), out}),
            "attention: operand 3 is f32[2,1,2,5], must be float[2,1,3,5]");
  EXPECT_EQ(why(kNone, {q, k, k, output(F32, {2, 3, 1, 5})}),
            "attention: operand 3 is f32[2,3,1,5], must be float[2,3,1,4]");
  EXPECT_EQ(why(kNone, {q, k, k}), "attention: there are 3 operands, must be 4");
  EXPECT_EQ(why(Mask(16), {q, k, k, out}), "attention: mask is 16, must be an integer in 0..15");
  const auto hidden = [&](Mask mask, double number) {
    std::vector<Param> with = params(mask);
    with.push_back({"hidden", {number}});
    return refusal("attention", with, {q, k, k, ints({2, 5}, std::vector<int32_t>(10)), out});
  };
  EXPECT_EQ(hidden(kLengths, -1e4), "attention: hidden is given, must come with a mask of keys");
  EXPECT_EQ(hidden(kKeys, 0), "attention: hidden is 0, must be below 0");
}

TEST(Attention, refuses_more_than_any_tile_could_score) {
  const auto why = [](Shape q, int64_t keys) {
    const std::vector<Param> is = params(kNone);
    const Shape k = {q[0], keys, q[2], q[3]};
    const VertexShape shape{
        &is, {{F16, q, false}, {F16, k, false}, {F16, k, false}, {F16, q, true}}
    };
    Status status = find_codelet("attention")->check(shape);
    return status ? "" : status.error().message;
  };
  EXPECT_EQ(why({1, 1, 1, 8}, 1 << 21),
            "attention: there are 2097152 keys of 8 elements, must be at most 1048576");
  EXPECT_EQ(why({1, 1 << 21, 1, 1}, 1 << 20),
            "attention: there are 2097152 queries by 1048576 keys, must be at most 1099511627776 "
            "scores");
  EXPECT_EQ(why({1, 1 << 20, 1, 1}, 1 << 20), "");
}

TEST(Attention, cycles_are_two_matmuls_and_three_per_score) {
  const auto cycles = [](const char* codelet, const std::vector<Param>& is,
                         const std::vector<Shape>& sizes) {
    std::vector<VertexArray> operands;
    for (const Shape& size : sizes) operands.push_back(output(F16, size));
    return find_codelet(codelet)->cycles(shape_of(is, operands), Target{}).value;
  };
  const std::vector<Param> plain = {
      {"bias",       {0}},
      {"residual",   {0}},
      {"activation", {0}}
  };
  const uint64_t products = cycles("matmul", plain,
                                   {
                                       {6, 32, 64 },
                                       {6, 64, 128},
                                       {6, 32, 128}
  }) +
                            cycles("matmul", plain, {{6, 32, 128}, {6, 128, 64}, {6, 32, 64}});
  const Shape q = {2, 32, 3, 64}, k = {2, 128, 3, 64};
  // Scores are turned, then put in sixteens; 12 compute sets, 13 with a mask.
  const uint64_t scores = 6 * 32 * 128;
  const uint64_t ordered = 587 + scores * 3 / 2 + 587 + (scores * 2 * 44 + 99) / 100;
  EXPECT_EQ(cycles("attention", params(kNone), {q, k, k, q}),
            products + 14 * scores / 4 + ordered + 11 * 250);
  EXPECT_EQ(cycles("attention", params(kLengths), {q, k, k, {2}, q}),
            products + 17 * scores / 4 + ordered + 12 * 250);
}

}  // namespace
}  // namespace tessera
