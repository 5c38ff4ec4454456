// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/codelets/dtypes.h"
#include "tests/codelets/vertex_runner.h"

namespace tessera {
namespace {

std::vector<Param> params(int bias, int residual, int activation) {
  return {
      {"bias",       {double(bias)}      },
      {"residual",   {double(residual)}  },
      {"activation", {double(activation)}}
  };
}

double activated(int activation, double x) {
  switch (activation) {
    case 1: return std::max(x, 0.0);
    case 2: return 0.5 * x * (1 + std::erf(x * M_SQRT1_2));
    case 3: return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case 4: return std::tanh(x);
    default: return x;
  }
}

std::vector<double> product_of(const VertexArray& a, const VertexArray& b, const VertexArray* bias,
                               const VertexArray* residual, int activation) {
  std::vector<double> out;
  for (int64_t g = 0; g < a.size[0]; ++g) {
    for (int64_t m = 0; m < a.size[1]; ++m) {
      for (int64_t n = 0; n < b.size[2]; ++n) {
        double sum = 0;
        for (int64_t k = 0; k < a.size[2]; ++k) {
          sum += a.at({g, m, k}) * b.at({b.size[0] == 1 ? 0 : g, k, n});
        }
        if (bias != nullptr) sum += bias->at({n});
        sum = activated(activation, sum);
        if (residual != nullptr) sum += residual->at({g, m, n});
        out.push_back(sum);
      }
    }
  }
  return out;
}

TEST(MatMul, of_small_integers_is_exact) {
  const VertexArray a = array(F16, {1, 2, 3}, {1, 2, 3, 4, 5, 6});
  const VertexArray b = array(F16, {1, 3, 2}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(run_vertex("matmul", params(0, 0, 0), {a, b, output(F16, {1, 2, 2})})[0].values,
              ::testing::ElementsAre(22, 28, 49, 64));
}

TEST(MatMul, agrees_with_doubles_at_every_strip_height_and_panel_edge) {
  std::mt19937 random(1);
  for (int64_t m = 1; m <= 17; ++m) {
    for (const int64_t n : {1, 15, 16, 17, 50, 96}) {
      const int64_t k = 1 + (m * 7 + n) % 40;
      const VertexArray a = with_gaps(random_array(F32, {2, m, k}, random), 3, 1);
      const VertexArray b = with_gaps(random_array(F32, {2, k, n}, random), 2, 1);
      const VertexArray out = with_gaps(output(F32, {2, m, n}), 5, 3);
      expect_close(run_vertex("matmul", params(0, 0, 0), {a, b, out})[0],
                   product_of(a, b, nullptr, nullptr, 0), 4e-6);
    }
  }
}

TEST(MatMul, agrees_with_doubles_in_every_mix_of_types) {
  std::mt19937 random(2);
  for (int mix = 0; mix < 8; ++mix) {
    const VertexArray a = with_gaps(random_array(mix & 1 ? F16 : F32, {2, 13, 37}, random), 1, 1);
    const VertexArray b = with_gaps(random_array(mix & 2 ? F16 : F32, {1, 37, 35}, random), 1, 1);
    const DType type = mix & 4 ? F16 : F32;
    expect_close(run_vertex("matmul", params(0, 0, 0),
                            {a, b, with_gaps(output(type, {2, 13, 35}), 1, 1)})[0],
                 product_of(a, b, nullptr, nullptr, 0), type == F16 ? 5e-4 : 4e-6);
  }
}

TEST(MatMul, adds_bias_then_activates_then_adds_the_residual) {
  std::mt19937 random(3);
  const VertexArray a = random_array(F16, {1, 9, 20}, random);
  const VertexArray b = random_array(F16, {1, 20, 21}, random);
  const VertexArray bias = random_array(F16, {21}, random);
  const VertexArray residual = with_gaps(random_array(F32, {1, 9, 21}, random), 4, 1);
  for (int activation = 0; activation <= 4; ++activation) {
    expect_close(run_vertex("matmul", params(1, 1, activation),
                            {a, b, bias, residual, output(F32, {1, 9, 21})})[0],
                 product_of(a, b, &bias, &residual, activation), 3e-6);
  }
}

TEST(MatMul, gives_a_row_the_same_bits_wherever_it_stands) {
  std::mt19937 random(4);
  const VertexArray a = random_array(F32, {1, 41, 67}, random);
  const VertexArray b = random_array(F32, {1, 67, 50}, random);
  const VertexArray all =
      run_vertex("matmul", params(0, 0, 0), {a, b, output(F32, {1, 41, 50})})[0];
  for (const int64_t m : {1, 2, 3, 5, 7, 8, 11, 40}) {
    const std::vector<double> rows(a.values.begin(), a.values.begin() + m * 67);
    const VertexArray some = run_vertex(
        "matmul", params(0, 0, 0), {array(F32, {1, m, 67}, rows), b, output(F32, {1, m, 50})})[0];
    const std::vector<double> want(all.values.begin(), all.values.begin() + m * 50);
    EXPECT_EQ(some.values, want) << m << " rows";
  }
}

TEST(MatMul, gives_equal_rows_what_each_would_get_alone) {
  std::mt19937 random(14);
  for (const DType type : {F32, F16}) {
    const VertexArray different = random_array(type, {1, 3, 50}, random);
    const VertexArray b = random_array(F16, {1, 50, 40}, random);
    VertexArray a = output(type, {1, 290, 50});
    a.writes = false;
    VertexArray out = output(F32, {1, 290, 40});
    const VertexArray residual = random_array(F32, {1, 290, 40}, random);
    const auto which = [](int64_t row) { return row < 5 ? 0 : row < 280 ? 1 : row % 3; };
    for (int64_t r = 0; r < 290; ++r) {
      for (int64_t k = 0; k < 50; ++k) a.at({0, r, k}) = different.at({0, which(r), k});
    }
    expect_close(run_vertex("matmul", params(0, 1, 0), {a, b, residual, out})[0],
                 product_of(a, b, nullptr, &residual, 0), 4e-6);
  }
}

TEST(MatMul, gives_a_column_the_same_bits_wherever_it_stands) {
  std::mt19937 random(5);
  const VertexArray a = random_array(F16, {1, 7, 33}, random);
  const VertexArray b = random_array(F16, {1, 33, 70}, random);
  const VertexArray all = run_vertex("matmul", params(0, 0, 2), {a, b, output(F32, {1, 7, 70})})[0];
  for (const int64_t first : {1, 16, 37, 69}) {
    const int64_t n = 70 - first;
    VertexArray part = output(F16, {1, 33, n});
    part.writes = false;
    for (int64_t k = 0; k < 33; ++k) {
      for (int64_t i = 0; i < n; ++i) part.at({0, k, i}) = b.at({0, k, first + i});
    }
    const VertexArray some =
        run_vertex("matmul", params(0, 0, 2), {a, part, output(F32, {1, 7, n})})[0];
    for (int64_t m = 0; m < 7; ++m) {
      for (int64_t i = 0; i < n; ++i) {
        ASSERT_EQ(some.at({0, m, i}), all.at({0, m, first + i})) << m << "," << i;
      }
    }
  }
}

TEST(MatMul, has_the_same_bits_on_every_cpu) {
  std::mt19937 random(6);
  const std::vector<VertexArray> operands = {
      random_array(F16, {1, 11, 29}, random), random_array(F16, {1, 29, 125}, random),
      random_array(F16, {125}, random), output(F32, {1, 11, 125})};
  const std::vector<double> here = run_vertex("matmul", params(1, 0, 2), operands)[0].values;
  for (const char* cpu : {"x86-64", "x86-64-v3"}) {
    EXPECT_EQ(run_vertex("matmul", params(1, 0, 2), operands, cpu)[0].values, here) << cpu;
  }
}

TEST(MatMul, refuses_shapes_that_do_not_fit) {
  const auto read = [](Shape size) {
    VertexArray array = output(F32, std::move(size));
    array.writes = false;
    return array;
  };
  const VertexArray in = read({2, 3, 4});
  const VertexArray out = output(F32, {2, 3, 5});
  EXPECT_EQ(refusal("matmul", params(0, 0, 0), {in, read({2, 5, 5}), out}),
            "matmul: operand 1 is f32[2,5,5], must be float[2,4,*]");
  EXPECT_EQ(refusal("matmul", params(0, 0, 0), {in, read({3, 4, 5}), out}),
            "matmul: operand 1 is f32[3,4,5], must be float[2,4,*]");
  EXPECT_EQ(refusal("matmul", params(0, 0, 0), {in, read({1, 4, 5}), output(F32, {2, 3, 6})}),
            "matmul: operand 2 is f32[2,3,6], must be float[2,3,5]");
  EXPECT_EQ(refusal("matmul", params(1, 0, 0), {in, read({1, 4, 5}), read({4}), out}),
            "matmul: operand 2 is f32[4], must be float[5]");
  EXPECT_EQ(refusal("matmul", params(0, 1, 0), {in, read({1, 4, 5}), out}),
            "matmul: there are 3 operands, must be 4");
  EXPECT_EQ(refusal("matmul", params(0, 0, 5), {in, read({1, 4, 5}), out}),
            "matmul: activation is 5, must be an integer in 0..4");
  EXPECT_EQ(refusal("matmul", params(0, 0, 0), {in}), "matmul: there are 1 operands, must be 3");
  EXPECT_EQ(refusal("matmul", {}, {in}),
            "matmul: params are (), must be (bias, residual, activation)");
}

uint64_t cycles(Shape a, Shape b, DType in, DType out, int activation) {
  const std::vector<Param> is = params(0, 0, activation);
  const Shape result = {a[0], a[1], b[2]};
  const std::vector<VertexArray> operands = {output(in, a), output(in, b), output(out, result)};
  return find_codelet("matmul")->cycles(shape_of(is, operands), Target{}).value;
}

// 12 rows by two groups of 16 terms and one of 16 columns: each worker has 2 rows, of 40 + 2 - 7
// issue slots, 40 + 1 - 7 where the sum begins; a block of weights loads in 64 cycles.
// 50 + 6 (7 + 3) + 13 + (15 + 25 + 64 + 6 * 35) + 11 + 25 + 64 + 6 * 34 + 14 for the last workers
TEST(MatMul, cycles_of_halves_are_as_worked_by_hand) {
  EXPECT_EQ(cycles({1, 12, 32}, {1, 32, 16}, F16, F16, 0),
            50U + 60 + 13 + (15 + 25 + 64 + 224) + 11 + 25 + 64 + 218);
}

// Two blocks of 8 columns where partials are f32: loads of 32 cycles, twice as many blocks.
TEST(MatMul, cycles_double_where_halves_are_summed_in_floats) {
  EXPECT_EQ(cycles({1, 12, 32}, {1, 32, 16}, F16, F32, 0),
            50U + 60 + 13 + (15 + 2 * (25 + 32 + 224)) + 11 + 2 * (25 + 32 + 218));
}

TEST(MatMul, cycles_of_the_epilogue_are_those_of_its_loops) {
  const auto added = [](DType dtype, int activation) {
    return cycles({1, 12, 32}, {1, 32, 16}, dtype, dtype, activation) -
           cycles({1, 12, 32}, {1, 32, 16}, dtype, dtype, 0);
  };
  EXPECT_EQ(added(F16, 2), 77U * 12 * 16 / 16 + 250);  // and a compute set of its own
  EXPECT_EQ(added(F32, 2), 154U * 12 * 16 / 16 + 250);
  EXPECT_EQ(added(F16, 3), 2U * 12 * 16 + 250);
  EXPECT_EQ(added(F32, 4), 6U * 12 * 16 + 250);
}

TEST(MatMul, cycles_approach_the_peak_for_long_streams) {
  const double macs = 600.0 * 768 * 64;
  EXPECT_NEAR(macs / 64 / double(cycles({1, 600, 768}, {1, 768, 64}, F16, F16, 0)), 0.93, 0.02);
  EXPECT_NEAR(macs / 16 / double(cycles({1, 600, 768}, {1, 768, 64}, F32, F32, 0)), 0.95, 0.02);
}

}  // namespace
}  // namespace tessera
