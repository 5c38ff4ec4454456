// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/codelets/dtypes.h"
#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

using enum DType;

// The operands that are there, among those that may be left out.
struct Has {
  bool row_zero = false, column_zero = false, scaled = false, row_scale = false,
       column_scale = false, bias = false, residual = false;
  double activation = 0, out_scale = 1, out_zero = 0;
};

std::vector<Param> params(const Has& has) {
  const auto flag = [](bool is) { return std::vector{is ? 1.0 : 0.0}; };
  return {
      {"row_zero",     flag(has.row_zero)    },
      {"column_zero",  flag(has.column_zero) },
      {"scaled",       flag(has.scaled)      },
      {"row_scale",    flag(has.row_scale)   },
      {"column_scale", flag(has.column_scale)},
      {"bias",         flag(has.bias)        },
      {"residual",     flag(has.residual)    },
      {"activation",   {has.activation}      },
      {"out_scale",    {has.out_scale}       },
      {"out_zero",     {has.out_zero}        }
  };
}

// Any of the type's numbers, its ends among them.
VertexArray bytes(DType dtype, Shape size, std::mt19937& random) {
  std::vector<double> values(static_cast<size_t>(elements(size)));
  for (double& value : values) {
    const auto any = static_cast<int32_t>(random() % 256) + least_of(dtype);
    value = random() % 8 == 0 ? greatest_of(dtype) : any;
    if (random() % 8 == 0) value = least_of(dtype);
  }
  return array(dtype, std::move(size), std::move(values));
}

double of(const VertexArray& numbers, int64_t g, int64_t i) {
  return numbers.at({numbers.size[0] == 1 ? 0 : g, numbers.size[1] == 1 ? 0 : i});
}

double sum_at(const VertexArray& a, const VertexArray& b, const VertexArray* row_zero,
              const VertexArray* column_zero, int64_t g, int64_t m, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < a.size[2]; ++k) {
    const double left = a.at({g, m, k}) - (row_zero ? of(*row_zero, g, m) : 0);
    const double right = b.at({b.size[0] == 1 ? 0 : g, k, n});
    sum += left * (right - (column_zero ? of(*column_zero, g, n) : 0));
  }
  return sum;
}

std::vector<double> sums(const VertexArray& a, const VertexArray& b, const VertexArray* row_zero,
                         const VertexArray* column_zero) {
  std::vector<double> out;
  for (int64_t g = 0; g < a.size[0]; ++g)
    for (int64_t m = 0; m < a.size[1]; ++m)
      for (int64_t n = 0; n < b.size[2]; ++n)
        out.push_back(sum_at(a, b, row_zero, column_zero, g, m, n));
  return out;
}

struct Sizes {
  int64_t g, m, k, n;
};

TEST(MatMulInteger, sums_are_exact_in_every_type_and_at_odd_sizes) {
  std::mt19937 random(1);
  for (const auto& [g, m, k, n] : {
           Sizes{1, 1,  1,   1  },
           Sizes{1, 5,  3,   7  },
           Sizes{2, 7,  4,   16 },
           Sizes{1, 13, 67,  33 },
           Sizes{3, 2,  16,  65 },
           Sizes{1, 6,  256, 64 },
           Sizes{1, 20, 130, 100}
  }) {
    for (const DType a_type : {U8, I8})
      for (const DType b_type : {U8, I8}) {
        const VertexArray a = with_gaps(bytes(a_type, {g, m, k}, random), 5, 3);
        const VertexArray b = with_gaps(bytes(b_type, {g, k, n}, random), 3, 1);
        const VertexArray out = with_gaps(output(I32, {g, m, n}), 1, 1);
        EXPECT_EQ(run_vertex("matmul_integer", params({}), {a, b, out})[0].values,
                  sums(a, b, nullptr, nullptr))
            << m << "x" << k << "x" << n;
      }
  }
}

TEST(MatMulInteger, takes_zero_points_off_each_row_and_column) {
  std::mt19937 random(2);
  for (const DType a_type : {U8, I8})
    for (const DType b_type : {U8, I8})
      for (const bool one : {false, true}) {
        const VertexArray a = bytes(a_type, {2, 9, 21}, random);
        const VertexArray b = bytes(b_type, {2, 21, 37}, random);
        const VertexArray rows = bytes(a_type, {one ? 1 : 2, one ? 1 : 9}, random);
        const VertexArray columns = bytes(b_type, {one ? 1 : 2, one ? 1 : 37}, random);
        const VertexArray out = output(I32, {2, 9, 37});
        EXPECT_EQ(run_vertex("matmul_integer", params({.row_zero = true, .column_zero = true}),
                             {a, b, rows, columns, out})[0]
                      .values,
                  sums(a, b, &rows, &columns));
        EXPECT_EQ(
            run_vertex("matmul_integer", params({.row_zero = true}), {a, b, rows, out})[0].values,
            sums(a, b, &rows, nullptr));
        EXPECT_EQ(
            run_vertex("matmul_integer", params({.column_zero = true}), {a, b, columns, out})[0]
                .values,
            sums(a, b, nullptr, &columns));
      }
}

// The longest sum of the largest products is 33025 * 255 * 255 = 2147450625.
TEST(MatMulInteger, the_longest_sum_does_not_leave_32_bits) {
  const VertexArray a = array(U8, {1, 1, 33025}, std::vector<double>(33025, 255));
  const VertexArray b = array(U8, {1, 33025, 1}, std::vector<double>(33025, 255));
  EXPECT_EQ(run_vertex("matmul_integer", params({}), {a, b, output(I32, {1, 1, 1})})[0].values,
            std::vector<double>{2147450625});
}

// ONNX Runtime computes the sum as a float, times the product of the scales; plus the bias.
TEST(MatMulInteger, scales_and_adds_each_in_one_rounding) {
  std::mt19937 random(3);
  const VertexArray a = bytes(U8, {1, 8, 40}, random), b = bytes(I8, {1, 40, 35}, random);
  const VertexArray zero = bytes(U8, {1, 8}, random);
  const VertexArray rows = random_array(F32, {1, 8}, random, 0.01);
  const VertexArray columns = random_array(F32, {1, 35}, random, 0.01);
  const VertexArray bias = random_array(F32, {35}, random);
  const VertexArray residual = random_array(F32, {1, 8, 35}, random);
  const std::vector<double> whole = sums(a, b, &zero, nullptr);
  std::vector<double> want;
  for (size_t i = 0; i < whole.size(); ++i) {
    const size_t m = i / 35, n = i % 35;
    const auto f = [](double x) { return static_cast<float>(x); };
    const float scale = f(rows.values[m]) * f(columns.values[n]);
    float x = f(whole[i]) * scale;
    x = x + f(bias.values[n]);
    x = x > 0 ? x : 0;
    want.push_back(x + f(residual.values[i]));
  }
  const Has has{.row_zero = true,
                .scaled = true,
                .row_scale = true,
                .column_scale = true,
                .bias = true,
                .residual = true,
                .activation = 1};
  EXPECT_EQ(run_vertex("matmul_integer", params(has),
                       {a, b, zero, rows, columns, bias, residual, output(F32, {1, 8, 35})})[0]
                .values,
            want);
  std::vector<double> halves;
  for (const double x : want) halves.push_back(rounded(F16, x));
  EXPECT_EQ(run_vertex("matmul_integer", params(has),
                       {a, b, zero, rows, columns, bias, residual, output(F16, {1, 8, 35})})[0]
                .values,
            halves);
}

TEST(MatMulInteger, quantizes_half_to_even_and_to_the_ends) {
  const VertexArray a = array(U8, {1, 1, 1}, {1});
  const VertexArray b = array(I8, {1, 1, 8}, {1, 3, 5, -1, -3, 127, -128, 0});
  const auto run = [&](DType to, double scale, double zero) {
    return run_vertex("matmul_integer",
                      params({.scaled = true, .out_scale = scale, .out_zero = zero}),
                      {a, b, output(to, {1, 1, 8})})[0]
        .values;
  };
  EXPECT_THAT(run(U8, 2, 10), testing::ElementsAre(10, 12, 12, 10, 8, 74, 0, 10));
  EXPECT_THAT(run(I8, 0.5, 0), testing::ElementsAre(2, 6, 10, -2, -6, 127, -128, 0));
}

TEST(MatMulInteger, has_the_same_bits_on_every_cpu) {
  std::mt19937 random(4);
  for (const DType a_type : {U8, I8}) {
    const VertexArray a = bytes(a_type, {1, 17, 99}, random), b = bytes(U8, {1, 99, 83}, random);
    const VertexArray zero = bytes(a_type, {1, 1}, random);
    const VertexArray scale = random_array(F32, {1, 83}, random, 0.01);
    const std::vector<Param> is =
        params({.row_zero = true, .scaled = true, .column_scale = true, .activation = 2});
    const std::vector<VertexArray> operands = {a, b, zero, scale, output(F32, {1, 17, 83})};
    const std::vector<double> here = run_vertex("matmul_integer", is, operands)[0].values;
    for (const char* cpu : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"}) {
      if (std::string(cpu) == "x86-64-v4" && !Jit::create({.cpu = cpu})) continue;
      EXPECT_EQ(run_vertex("matmul_integer", is, operands, cpu)[0].values, here) << cpu;
    }
  }
}

TEST(MatMulInteger, refuses_shapes_and_types_that_do_not_fit) {
  const VertexArray a = array(U8, {1, 1, 2}, {1, 2}), b = array(I8, {1, 2, 1}, {1, 2});
  const VertexArray sum = output(I32, {1, 1, 1}), out = output(F32, {1, 1, 1});
  const VertexArray one = array(F32, {1, 1}, {1});
  EXPECT_EQ(refusal("matmul_integer", params({}), {out, b, sum}),
            "matmul_integer: operand 0 is f32[1,1,1], must be byte[*,*,*]");
  EXPECT_EQ(refusal("matmul_integer", params({}), {a, array(I8, {1, 1, 1}, {1}), sum}),
            "matmul_integer: operand 1 is i8[1,1,1], must be byte[1,2,*]");
  EXPECT_EQ(refusal("matmul_integer", params({}), {a, b, out}),
            "matmul_integer: operand 2 is f32[1,1,1], must be i32[1,1,1]");
  EXPECT_EQ(refusal("matmul_integer", params({.scaled = true}), {a, b, sum}),
            "matmul_integer: operand 2 is i32[1,1,1], must be float[1,1,1]");
  EXPECT_EQ(refusal("matmul_integer", params({.row_scale = true}), {a, b, one, sum}),
            "matmul_integer: row_scale is not 0, must be where scaled is 0");
  EXPECT_EQ(refusal("matmul_integer", params({.row_zero = true}),
                    {a, b, array(U8, {1, 3}, {1, 2, 3}), sum}),
            "matmul_integer: operand 2 is u8[1,3], must be integer[1,1]");
  EXPECT_EQ(refusal("matmul_integer", params({.scaled = true, .out_scale = 0}), {a, b, out}),
            "matmul_integer: out_scale is 0, must be above 0");
  EXPECT_EQ(refusal("matmul_integer", params({.scaled = true, .out_zero = 256}),
                    {a, b, output(U8, {1, 1, 1})}),
            "matmul_integer: out_zero is 256, must be an integer in 0..255");
  const VertexArray long_a = array(U8, {1, 1, 33026}, std::vector<double>(33026, 0));
  const VertexArray long_b = array(U8, {1, 33026, 1}, std::vector<double>(33026, 0));
  EXPECT_EQ(refusal("matmul_integer", params({}), {long_a, long_b, sum}),
            "matmul_integer: there are 33026 terms, must be at most 33025");
}

// As a matmul of f16 with sums in f32, 0.5 cycles for each byte that becomes f16, and two launches
// for the two operands; the sums, a scale in f32, and its launch.
TEST(MatMulInteger, is_charged_as_f16_with_sums_in_f32) {
  const auto cycles = [](const std::string& name, const std::vector<Param>& is,
                         const std::vector<VertexArray>& operands) {
    return find_codelet(name)->cycles(shape_of(is, operands), Target()).value;
  };
  const Target target;
  const uint64_t launch = static_cast<uint64_t>(target.sync_cycles + target.setup_cycles);
  const VertexArray a = output(U8, {1, 32, 64}), b = output(I8, {1, 64, 16});
  const std::vector<Param> none = {
      {"bias",       {0}},
      {"residual",   {0}},
      {"activation", {0}}
  };
  const uint64_t product =
      cycles("matmul", none,
             {output(F16, {1, 32, 64}), output(F16, {1, 64, 16}), output(F32, {1, 32, 16})});
  EXPECT_EQ(cycles("matmul_integer", params({}), {a, b, output(I32, {1, 32, 16})}),
            product + (32 * 64 + 64 * 16) / 2 + 2 * launch);
}

}  // namespace
}  // namespace tessera
