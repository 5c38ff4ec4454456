// SPDX-License-Identifier: Apache-2.0
#include "codelets/elementwise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/codelets/tapes.h"

namespace tessera {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::NanSensitiveDoubleEq;
using ::testing::Pointwise;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kLowest = std::numeric_limits<int32_t>::min();
constexpr double kHighest = std::numeric_limits<int32_t>::max();

// --- One opcode at a time ---

std::vector<double> unary(Tape opcode, std::vector<double> x) {
  const auto size = static_cast<int64_t>(x.size());
  return run(tape({
                 {opcode, 0}
  }),
             {floats(std::move(x))}, DType::F32, {size});
}

std::vector<double> binary(Tape opcode, std::vector<double> x, std::vector<double> y) {
  const auto size = static_cast<int64_t>(x.size());
  return run(tape({
                 {opcode, 0, 1}
  }),
             {floats(std::move(x)), floats(std::move(y))}, DType::F32, {size});
}

TEST(Elementwise, arithmetic_is_ieee) {
  EXPECT_THAT(binary(Tape::Add, {1, kInf}, {2, -1}), ElementsAre(3, kInf));
  EXPECT_THAT(binary(Tape::Sub, {1, 5}, {2, 5}), ElementsAre(-1, 0));
  EXPECT_THAT(binary(Tape::Mul, {3, -2}, {2, 0.5}), ElementsAre(6, -1));
  EXPECT_THAT(binary(Tape::Div, {1, 1, -1}, {4, 0, 0}), ElementsAre(0.25, kInf, -kInf));
}

TEST(Elementwise, max_and_min_of_nan_are_nan) {
  EXPECT_THAT(binary(Tape::Max, {1, -3, kNan, 1}, {2, -4, 1, kNan}),
              Pointwise(NanSensitiveDoubleEq(), std::vector<double>{2, -3, kNan, kNan}));
  EXPECT_THAT(binary(Tape::Min, {1, -3, kNan, 1}, {2, -4, 1, kNan}),
              Pointwise(NanSensitiveDoubleEq(), std::vector<double>{1, -4, kNan, kNan}));
}

TEST(Elementwise, comparisons_and_logic_are_zero_or_one) {
  EXPECT_THAT(binary(Tape::Equal, {1, 2, kNan}, {1, 3, kNan}), ElementsAre(1, 0, 0));
  EXPECT_THAT(binary(Tape::Less, {1, 2, 3}, {2, 2, 2}), ElementsAre(1, 0, 0));
  EXPECT_THAT(binary(Tape::And, {0.5, 2, 0}, {1, 0, 0}), ElementsAre(1, 0, 0));
  EXPECT_THAT(unary(Tape::Not, {0, 7, -0.0}), ElementsAre(1, 0, 1));
  EXPECT_THAT(unary(Tape::NotZero, {0, 7, -0.0, kNan}), ElementsAre(0, 1, 0, 1));
}

TEST(Elementwise, rounding_opcodes_keep_floats) {
  EXPECT_THAT(unary(Tape::Floor, {1.5, -1.5, 3}), ElementsAre(1, -2, 3));
  EXPECT_THAT(unary(Tape::Round, {0.5, 1.5, -2.5, 2.4, -0.6, 8388609, -3e38}),
              ElementsAre(0, 2, -2, 2, -1, 8388609, -3e38f));
  EXPECT_THAT(unary(Tape::Truncate, {1.5, -1.5, 3}), ElementsAre(1, -1, 3));
  EXPECT_THAT(unary(Tape::Abs, {1.5, -1.5, -kInf}), ElementsAre(1.5, 1.5, kInf));
}

TEST(Elementwise, select_takes_b_where_a_is_not_zero) {
  EXPECT_THAT(run(tape({
                      {Tape::Select, 0, 1, 2}
  }),
                  {array(DType::Bool, {3}, {1, 0, 1}), floats({1, 2, 3}), floats({-1, -2, -3})},
                  DType::F32, {3}),
              ElementsAre(1, -2, 3));
}

TEST(Elementwise, functions_agree_with_doubles) {
  const std::vector<double> x = {0.1, 0.75, 1.0, 2.5, 7.0};
  const auto expect = [&](Tape opcode, auto function) {
    std::vector<double> want;
    for (double value : x) want.push_back(function(static_cast<float>(value)));
    expect_close(floats(unary(opcode, x)), want, 3e-7);
  };
  expect(Tape::Exp, [](double v) { return std::exp(v); });
  expect(Tape::Log, [](double v) { return std::log(v); });
  expect(Tape::Sqrt, [](double v) { return std::sqrt(v); });
  expect(Tape::Erf, [](double v) { return std::erf(v); });
  expect(Tape::ErfV2, [](double v) { return std::erf(v); });
  expect(Tape::Tanh, [](double v) { return std::tanh(v); });
  expect(Tape::Sin, [](double v) { return std::sin(v); });
  expect(Tape::Cos, [](double v) { return std::cos(v); });
  expect(Tape::GeluErf, [](double v) { return 0.5 * v * (1 + std::erf(v * std::sqrt(0.5))); });
  expect(Tape::GeluTanh, [](double v) {
    return 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
  });
}

// --- Pow ---

TEST(Elementwise, pow_is_within_a_rounding_of_doubles) {
  std::mt19937 random(1);
  VertexArray x = random_array(DType::F32, {2000}, random, 40);
  const VertexArray y = random_array(DType::F32, {2000}, random, 20);
  for (double& value : x.values) value = std::abs(value);
  const std::vector<double> is = run(tape({
                                         {Tape::Pow, 0, 1}
  }),
                                     {x, y}, DType::F32, {2000});
  for (size_t i = 0; i < is.size(); ++i)
    ASSERT_FLOAT_EQ(is[i], static_cast<float>(std::pow(x.values[i], y.values[i])))
        << x.values[i] << " ^ " << y.values[i];
}

TEST(Elementwise, whole_powers_of_whole_numbers_are_exact) {
  EXPECT_THAT(binary(Tape::Pow, {3, -3, -3, 2, 10, 2, 7}, {2, 2, 3, -1, 7, 127, 8}),
              ElementsAre(9, 9, -27, 0.5, 1e7, std::ldexp(1.0, 127), 5764801));
}

TEST(Elementwise, pow_of_special_values_is_as_in_c) {
  const std::vector<double> values = {0.0,  -0.0, 1,    -1,        0.5,   -0.5,  2,    -2,    3,
                                      -3.5, kInf, kNan, 16777217., 1e-40, -kInf, 1e30, -1e30, 0.25};
  std::vector<double> x, y, want;
  for (double a : values)
    for (double b : values) {
      x.push_back(a);
      y.push_back(b);
      want.push_back(std::pow(static_cast<float>(a), static_cast<float>(b)));
    }
  const std::vector<double> is = binary(Tape::Pow, x, y);
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_THAT(static_cast<float>(is[i]),
                ::testing::NanSensitiveFloatEq(static_cast<float>(want[i])))
        << x[i] << " ^ " << y[i];
    EXPECT_EQ(std::signbit(is[i]), std::signbit(want[i]) && !std::isnan(is[i]))
        << x[i] << " ^ " << y[i];
  }
}

// --- Integers ---

std::vector<double> in_i32(Tape opcode, std::vector<int32_t> x, std::vector<int32_t> y) {
  const auto size = static_cast<int64_t>(x.size());
  return run(tape(
                 {
                     {opcode, 0, 1}
  },
                 {}, 1),
             {ints({size}, std::move(x)), ints({size}, std::move(y))}, DType::I32, {size});
}

TEST(Elementwise, integers_wrap) {
  constexpr int32_t kMax = INT32_MAX, kMin = INT32_MIN;
  EXPECT_THAT(in_i32(Tape::Add, {kMax, 5}, {1, -7}), ElementsAre(kLowest, -2));
  EXPECT_THAT(in_i32(Tape::Sub, {kMin, 5}, {1, 7}), ElementsAre(kHighest, -2));
  EXPECT_THAT(in_i32(Tape::Mul, {1 << 20, -3}, {1 << 12, 7}), ElementsAre(0, -21));
  EXPECT_THAT(in_i32(Tape::Abs, {kMin, -3}, {0, 0}), ElementsAre(kLowest, 3));
}

TEST(Elementwise, integers_above_2_to_24_stay_exact) {
  EXPECT_THAT(in_i32(Tape::Add, {16777217}, {2}), ElementsAre(16777219));
  EXPECT_THAT(in_i32(Tape::Equal, {16777217}, {16777216}), ElementsAre(0));
}

TEST(Elementwise, integer_division_never_traps) {
  EXPECT_THAT(in_i32(Tape::Div, {7, -7, 7, 5, INT32_MIN, INT32_MIN}, {2, 2, -2, 0, -1, 1}),
              ElementsAre(3, -3, -3, 0, kLowest, kLowest));
}

TEST(Elementwise, integer_powers_are_whole) {
  EXPECT_THAT(in_i32(Tape::Pow, {3, -2, 5, 2, 1, -1, -1, 0}, {4, 3, 0, -1, -9, -3, -4, 0}),
              ElementsAre(81, -8, 1, 0, 1, -1, 1, 1));
}

// --- Types ---

TEST(Elementwise, an_empty_tape_is_a_cast) {
  const VertexArray x = floats({1.9, -1.9, 3e9, -3e9, kNan, 0.25, -0.0});
  EXPECT_THAT(run(tape({}), {x}, DType::I32, {7}), ElementsAre(1, -1, kHighest, kLowest, 0, 0, 0));
  EXPECT_THAT(run(tape({}), {x}, DType::Bool, {7}), ElementsAre(1, 1, 1, 1, 1, 1, 0));
  EXPECT_THAT(run(tape({}), {floats({2049, 65520, 1e-8})}, DType::F16, {3}),
              ElementsAre(2048, kInf, 0));
  EXPECT_THAT(run(tape({}), {array(DType::Bool, {2}, {1, 0})}, DType::F16, {2}), ElementsAre(1, 0));
  EXPECT_THAT(run(tape({}, {}, 1), {ints({2}, {INT32_MAX, -5})}, DType::I32, {2}),
              ElementsAre(kHighest, -5));
  EXPECT_THAT(run(tape({}, {}, 1), {floats({-7.9, 1e10})}, DType::I32, {2}),
              ElementsAre(-7, kHighest));
}

TEST(Elementwise, only_constants_fill_out) {
  EXPECT_THAT(run(tape({}, {2.5}), {}, DType::F16, {3, 5}), Each(2.5));
  EXPECT_THAT(run(tape({}, {kNan, -kInf}), {}, DType::F32, {300}), Each(-kInf));
  EXPECT_THAT(run(tape({}, {INT32_MIN}, 1), {}, DType::I32, {1}), Each(kLowest));
}

// Between rows of the tape nothing is rounded to halves: 2048 + 1 - 2048 is 1.
TEST(Elementwise, halves_are_rounded_at_the_store_alone) {
  EXPECT_THAT(run(tape(
                      {
                          {Tape::Add, 0, 1},
                          {Tape::Sub, 3, 2}
  },
                      {1, 2048}),
                  {array(DType::F16, {2}, {2048, 4})}, DType::F16, {2}),
              ElementsAre(1, -2043));
}

// --- Boxes ---

// x * scale + bias with every operand of its own type, stretched along its own dimensions.
TEST(Elementwise, broadcasts_at_odd_sizes_and_strides) {
  std::mt19937 random(2);
  const std::vector<Param> params = tape(
      {
          {Tape::Mul, 0, 1},
          {Tape::Add, 4, 2},
          {Tape::Add, 5, 3}
  },
      {3});
  for (const int64_t n : {1, 2, 15, 16, 17, 255, 256, 257, 700}) {
    const VertexArray x = with_gaps(random_array(DType::F32, {2, 3, n}, random), 3, 1);
    const VertexArray scale = with_gaps(random_array(DType::F16, {1, 3, 1}, random), 1, 1);
    const VertexArray bias = with_gaps(random_array(DType::F32, {1, 1, n}, random), 0, 3);
    for (const DType dtype : {DType::F32, DType::F16}) {
      std::vector<double> want;
      for (int64_t a = 0; a < 2; ++a)
        for (int64_t b = 0; b < 3; ++b)
          for (int64_t c = 0; c < n; ++c)
            want.push_back(x.at({a, b, c}) * scale.at({0, b, 0}) + bias.at({0, 0, c}) + 3);
      const VertexArray out = with_gaps(output(dtype, {2, 3, n}), 5, 1);
      expect_close(run_vertex("elementwise", params, {x, scale, bias, out})[0], want,
                   dtype == DType::F32 ? 2e-7 : 6e-4);
    }
  }
}

TEST(Elementwise, a_column_of_a_wider_variable_is_walked_by_its_stride) {
  VertexArray x = floats({1, 2, 3, 4});
  x.size = {4, 1};
  x.stride = {7, 1};
  VertexArray out = output(DType::F32, {4, 1});
  out.stride = {5, 1};
  EXPECT_THAT(run_vertex("elementwise",
                         tape({
                             {Tape::Mul, 0, 0}
  }),
                         {x, out})[0]
                  .values,
              ElementsAre(1, 4, 9, 16));
}

TEST(Elementwise, a_scalar_has_no_dimensions) {
  EXPECT_THAT(run(tape({
                      {Tape::Sqrt, 0}
  }),
                  {array(DType::F32, {}, {9})}, DType::F32, {}),
              ElementsAre(3));
}

TEST(Elementwise, the_longest_tape_runs) {
  std::vector<Row> rows(kMaxTapeRows, {Tape::Add, 0, kMaxTapeInputs - 1});
  for (int i = 1; i < kMaxTapeRows; ++i)
    rows[static_cast<size_t>(i)] = {Tape::Add, kMaxTapeInputs + kMaxTapeConstants + i - 1,
                                    kMaxTapeInputs + kMaxTapeConstants - 1};
  const std::vector<VertexArray> inputs(kMaxTapeInputs, floats({1, 2}));
  EXPECT_THAT(run(tape(rows, std::vector<double>(kMaxTapeConstants, 0.5)), inputs, DType::F32, {2}),
              ElementsAre(33.5, 35.5));
}

TEST(Elementwise, has_the_same_bits_on_every_cpu) {
  std::mt19937 random(3);
  const std::vector<Param> params = tape({
      {Tape::GeluErf, 0},
      {Tape::Pow, 1, 0},
      {Tape::Log, 1},
      {Tape::Floor, 4},
      {Tape::Truncate, 5},
      {Tape::Add, 3, 2},
      {Tape::Add, 7, 6}
  });
  VertexArray y = random_array(DType::F16, {3, 50}, random, 3);
  for (double& value : y.values) value = std::abs(value);
  const std::vector<VertexArray> operands = {random_array(DType::F32, {3, 50}, random, 3), y,
                                             output(DType::F32, {3, 50})};
  const std::vector<double> here = run_vertex("elementwise", params, operands)[0].values;
  for (const char* cpu : {"x86-64", "x86-64-v3"}) {
    EXPECT_EQ(run_vertex("elementwise", params, operands, cpu)[0].values, here) << cpu;
  }
}

// --- What it refuses ---

TEST(Elementwise, refuses_what_it_cannot_run) {
  const VertexArray x = floats({1, 2});
  const VertexArray out = output(DType::F32, {2});
  const auto refuse = [&](const std::vector<Param>& params) {
    return refusal("elementwise", params, {x, out});
  };
  EXPECT_EQ(refuse(tape({}, {}, 2)), "elementwise: domain is [2], must be 0 or 1");
  EXPECT_EQ(refuse({
                {"domain",    {0}      },
                {"tape",      {0, 0, 0}},
                {"constants", {}       }
  }),
            "elementwise: tape has 3 numbers, must be four a row and at most 64 rows");
  EXPECT_EQ(refuse({
                {"domain",    {0}                    },
                {"tape",      {kTapeOpcodes, 0, 0, 0}},
                {"constants", {}                     }
  }),
            "elementwise: row 0 has opcode " + std::to_string(kTapeOpcodes) +
                ", must be an integer in 0.." + std::to_string(kTapeOpcodes - 1));
  EXPECT_EQ(refuse({
                {"domain",    {0}            },
                {"tape",      {0, 0, kNan, 0}},
                {"constants", {}             }
  }),
            "elementwise: row 0 reads register nan, must be one of the 1 before it");
  EXPECT_EQ(refuse(tape({
                {Tape::Abs, 0},
                {Tape::Add, 1, 2}
  })),
            "elementwise: row 1 reads register 2, must be one of the 2 before it");
  EXPECT_EQ(refuse(tape({
                {Tape::Add, -1, 0}
  })),
            "elementwise: row 0 reads register -1, must be one of the 1 before it");
  EXPECT_EQ(refuse(tape(
                {
                    {Tape::Exp, 0}
  },
                {}, 1)),
            "elementwise: row 0 has opcode 12, which domain 1 does not have");
  EXPECT_EQ(refuse(tape({}, {0.5}, 1)), "elementwise: constant is 0.5, must be an i32");
  EXPECT_EQ(refuse(tape({}, std::vector<double>(129))),
            "elementwise: there are 129 constants, must be at most 128");
  EXPECT_EQ(refuse(tape(std::vector<Row>(65))),
            "elementwise: tape has 260 numbers, must be four a row and at most 64 rows");
  EXPECT_EQ(refusal("elementwise", tape({}), {floats({1, 2, 3}), out}),
            "elementwise: operand 0 is f32[3], must be any[2]");
  EXPECT_EQ(refusal("elementwise", tape({}), {array(DType::F32, {1, 2}, {1, 2}), out}),
            "elementwise: operand 0 is f32[1,2], must be any[2]");
  EXPECT_EQ(refusal("elementwise", tape({}), {x, x}),
            "elementwise: operand 1 is read, must be written");
  EXPECT_EQ(refusal("elementwise", tape({}), {out}),
            "elementwise: there are no inputs and no constants");
  EXPECT_EQ(refusal("elementwise", tape({}), std::vector<VertexArray>(14, x)),
            "elementwise: there are 14 operands, must be 1..13");
}

}  // namespace
}  // namespace tessera
