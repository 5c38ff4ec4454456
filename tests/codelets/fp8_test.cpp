// SPDX-License-Identifier: Apache-2.0
// Floats of 8 bits on the vertices: every code and every half through a tape, against
// support/fp8.h; and products, which have the bits that the same numbers have in f16.
#include "support/fp8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string_view>

#include "support/half.h"
#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

using enum DType;

constexpr DType kFormats[] = {DType::F143, DType::F152};

// A tape that moves, or that multiplies by `factor`, as lowering writes scaled_cast.
std::vector<Param> move() {
  return {
      {"domain",    {0}                  },
      {"tape",      {20, 0, 0, 0}        },
      {"constants", std::vector<double>{}}
  };
}
double opcode(std::string_view name) {
#define OPCODE(id, number, ...) \
  if (name == #id) return number;
#include "codelets/opcodes.def"
#undef OPCODE
  return -1;
}

std::vector<Param> scale(double factor) {
  return {
      {"domain",    {0}                       },
      {"tape",      {opcode("Scale"), 0, 1, 0}},
      {"constants", {factor}                  }
  };
}
std::vector<Param> rounded(DType format) {
  return {
      {"domain",    {0}                                                           },
      {"tape",      {opcode(format == DType::F143 ? "AsF143" : "AsF152"), 0, 0, 0}},
      {"constants", std::vector<double>{}                                         }
  };
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

TEST(Fp8Tape, every_code_is_widened_to_its_value) {
  for (const DType format : kFormats) {
    VertexArray codes = output(format, {256});
    codes.writes = false;
    for (int i = 0; i < 256; ++i)
      codes.values[static_cast<size_t>(i)] = from_fp8(format, static_cast<uint8_t>(i));
    const VertexArray out = run_vertex("elementwise", move(), {codes, output(F32, {256})})[0];
    for (size_t i = 0; i < 256; ++i)
      EXPECT_TRUE(same(out.values[i], codes.values[i])) << i << " is " << out.values[i];
  }
}

TEST(Fp8Tape, every_half_is_narrowed_as_the_interpreter_narrows_it) {
  for (const DType format : kFormats) {
    for (const double factor : {1.0, 0x1p-7, 0x1p9}) {
      constexpr int64_t kHalves = 65536;
      VertexArray halves = output(F16, {kHalves + 5});
      halves.writes = false;
      for (int64_t i = 0; i < kHalves + 5; ++i)
        halves.values[static_cast<size_t>(i)] = from_half(static_cast<uint16_t>(i));
      const VertexArray out =
          run_vertex("elementwise", scale(factor), {halves, output(format, {kHalves + 5})})[0];
      for (size_t i = 0; i < halves.values.size(); ++i) {
        const double want = from_fp8(format, to_fp8(format, halves.values[i] * factor));
        ASSERT_TRUE(same(out.values[i], want))
            << halves.values[i] << " is " << out.values[i] << ", must be " << want;
      }
    }
  }
}

TEST(Fp8Tape, rounds_within_a_tape_as_at_its_end) {
  std::mt19937 random(3);
  for (const DType format : kFormats) {
    VertexArray x = random_array(F32, {777}, random);
    for (double& value : x.values) value = static_cast<float>(std::ldexp(value, 9));
    x.values[3] = std::nan("");
    x.values[4] = HUGE_VAL;
    x.values[5] = -0x1.8p-9;
    const VertexArray within =
        run_vertex("elementwise", rounded(format), {x, output(F32, {777})})[0];
    const VertexArray at_end = run_vertex("elementwise", move(), {x, output(format, {777})})[0];
    for (size_t i = 0; i < 777; ++i)
      EXPECT_TRUE(same(within.values[i], at_end.values[i])) << x.values[i];
  }
}

std::vector<Param> product(int bias, int residual, int activation, double scale) {
  return {
      {"bias",       {double(bias)}      },
      {"residual",   {double(residual)}  },
      {"activation", {double(activation)}},
      {"scale",      {scale}             }
  };
}
std::vector<Param> product(int bias, int residual, int activation) {
  std::vector<Param> params = product(bias, residual, activation, 0);
  params.pop_back();
  return params;
}

// The same numbers times a power of two, in f32.
VertexArray widened(VertexArray of, double factor) {
  of.dtype = F32;
  for (double& value : of.values) value *= factor;
  return of;
}

VertexArray random_codes(DType format, const Shape& size, std::mt19937& random) {
  VertexArray array = random_array(format, size, random);
  for (double& value : array.values) value = from_fp8(format, to_fp8(format, value * 40));
  return array;
}

TEST(MatMulOfFp8, has_the_bits_of_the_same_product_of_floats) {
  std::mt19937 random(4);
  for (const DType of_a : kFormats) {
    for (const DType of_b : kFormats) {
      for (const int64_t m : {1, 6, 13}) {
        for (const int64_t k : {1, 31, 400}) {
          const int64_t n = 35, scale = static_cast<int64_t>(random() % 9) - 8;
          const VertexArray a = with_gaps(random_codes(of_a, {2, m, k}, random), 3, 1);
          const VertexArray b = with_gaps(random_codes(of_b, {1, k, n}, random), 2, 1);
          const VertexArray bias = random_array(F16, {n}, random);
          const VertexArray residual = random_array(F16, {2, m, n}, random);
          const VertexArray out =
              run_vertex("matmul", product(1, 1, 2, static_cast<double>(scale)),
                         {a, b, bias, residual, with_gaps(output(F16, {2, m, n}), 5, 3)})[0];
          const VertexArray want =
              run_vertex("matmul", product(1, 1, 2),
                         {widened(a, std::ldexp(1.0, static_cast<int>(scale))), widened(b, 1), bias,
                          residual, output(F16, {2, m, n})})[0];
          ASSERT_EQ(out.values, want.values) << m << "," << k;
        }
      }
    }
  }
}

TEST(MatMulOfFp8, gives_equal_rows_what_each_would_get_alone) {
  std::mt19937 random(5);
  VertexArray a = random_codes(DType::F143, {1, 40, 50}, random);
  for (int64_t r = 10; r < 30; ++r)
    for (int64_t k = 0; k < 50; ++k) a.at({0, r, k}) = a.at({0, 10, k});
  const VertexArray b = random_codes(DType::F143, {1, 50, 40}, random);
  const VertexArray out =
      run_vertex("matmul", product(0, 0, 0, -1), {a, b, output(F16, {1, 40, 40})})[0];
  const VertexArray want = run_vertex(
      "matmul", product(0, 0, 0), {widened(a, 0.5), widened(b, 1), output(F16, {1, 40, 40})})[0];
  EXPECT_EQ(out.values, want.values);
}

TEST(MatMulOfFp8, refuses_what_it_does_not_multiply) {
  const VertexArray a = array(DType::F143, {1, 2, 3}, {1, 2, 3, 4, 5, 6});
  const VertexArray b = array(DType::F152, {1, 3, 2}, {1, 2, 3, 4, 5, 6});
  const VertexArray half = array(F16, {1, 3, 2}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(refusal("matmul", product(0, 0, 0, 0), {a, b, output(F16, {1, 2, 2})}), "");
  EXPECT_EQ(refusal("matmul", product(0, 0, 0), {a, b, output(F16, {1, 2, 2})}),
            "matmul: params are (bias, residual, activation), must be (bias, residual, activation, "
            "scale)");
  EXPECT_EQ(refusal("matmul", product(0, 0, 0, 63), {a, b, output(F16, {1, 2, 2})}),
            "matmul: scale is 63, must be an integer in -64..62");
  EXPECT_EQ(refusal("matmul", product(0, 0, 0, 0), {a, half, output(F16, {1, 2, 2})}),
            "matmul: operand 1 is f16[1,3,2], must be fp8[1,3,*]");
  EXPECT_EQ(refusal("matmul", product(0, 0, 0, 0), {a, b, output(F32, {1, 2, 2})}),
            "matmul: operand 2 is f32, must be f16 where a is fp8");
}

uint64_t cycles(const Shape& a, const Shape& b) {
  const std::vector<Param> params = product(0, 0, 0, 0);
  return find_codelet("matmul")
      ->cycles(
          {
              &params,
              {{DType::F143, a, false}, {DType::F143, b, false}, {F16, {1, a[1], b[2]}, true}}
  },
          Target{})
      .value;
}

// 30 rows are 5 for each of 6 workers: 17 + 27 + 4 · (5 - 3) slots, and 5 fewer where the sum
// begins. Two groups of 32 terms, one of 16 columns, whose weights load in 64 cycles.
TEST(MatMulOfFp8, cycles_are_as_worked_by_hand) {
  const uint64_t first = 64 + 6 * (17 + 22 + 8), other = 108 + 64 + 6 * (17 + 27 + 8);
  EXPECT_EQ(cycles({1, 30, 64}, {1, 64, 16}), 46 + 21 + 46 + 131 + first + other);
}

TEST(MatMulOfFp8, cycles_approach_128_products_each_for_long_streams) {
  const double macs = 2400.0 * 768 * 64;
  EXPECT_NEAR(macs / 128 / static_cast<double>(cycles({1, 2400, 768}, {1, 768, 64})), 0.97, 0.01);
}

// Eight halves take four issues of a worker, as a cast from f32 to f16 takes two for four.
TEST(Fp8Tape, a_cast_is_one_compute_set_of_half_a_cycle_an_element) {
  const auto cast = [](int64_t size) {
    const std::vector<Param> params = scale(2);
    return find_codelet("elementwise")
        ->cycles(
            {
                &params, {{F16, {size}, false}, {DType::F143, {size}, true}}
    },
            Target{})
        .value;
  };
  EXPECT_EQ(cast(4800), 11 + 6 * (26 + 200 * 2));
}

}  // namespace
}  // namespace tessera
