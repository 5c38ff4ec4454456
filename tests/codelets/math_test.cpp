// SPDX-License-Identifier: Apache-2.0
// The codelets' functions against libm's in double, over floats of every size.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <map>

#include "executor/jit.h"
#include "support/file.h"
#include "support/float_mode.h"

namespace tessera {
namespace {

struct Function {
  const char* name;
  double (*real)(double);
  double ulps;
};

// 0.5 x erfc(-x / sqrt 2): at -infinity its limit.
double gelu_erf(double x) { return x == -INFINITY ? 0 : 0.5 * x * std::erfc(-x * M_SQRT1_2); }
double gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

constexpr Function kFunctions[] = {
    {"exp",       std::exp,  1.1},
    {"log",       std::log,  1.0},
    {"tanh",      std::tanh, 1.5},
    {"erf",       std::erf,  1.1},
    {"gelu_erf",  gelu_erf,  0  },
    {"gelu_tanh", gelu_tanh, 0  },
    {"sin",       std::sin,  1.0},
    {"cos",       std::cos,  1.0},
};

using Values = std::vector<std::vector<float>>;  // by function

Values run_math(std::vector<float>& x, const std::string& cpu) {
  const auto file = MappedFile::open(TESSERA_MATH_BITCODE).take();
  Codelet math{};
  math.name = "math";
  math.bitcode = file->bytes();
  const std::unique_ptr<Jit> jit = Jit::create({.cpu = cpu}).take();
  const Jit::Request request{&math, ""};
  Expected<std::vector<Kernel>> kernels = jit->compile({&request, 1}, 1);
  if (!kernels) {
    ADD_FAILURE() << kernels.error().message;
    return {};
  }
  Values values(std::size(kFunctions), std::vector<float>(x.size()));
  std::vector<VertexOperand> operands(1 + values.size());
  operands[0].data = x.data();
  operands[0].size[0] = static_cast<int64_t>(x.size());
  for (size_t f = 0; f < values.size(); ++f) operands[1 + f].data = values[f].data();
  const KernelFloatMode mode;
  kernels->front().run(operands.data(), nullptr);
  return values;
}

// Every 20011th float: all exponents, both signs, subnormals (which are zero), infinities and NaNs.
std::vector<float> floats_of_every_size() {
  std::vector<float> x;
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 20011) {
    x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  }
  for (const float special : {0.0F, -0.0F, INFINITY, -INFINITY, NAN}) x.push_back(special);
  x.resize(x.size() / 16 * 16 + 16);
  return x;
}

double ulp_of(double value) {
  if (std::abs(value) < 0x1p-126) return 0x1p-149;
  return std::ldexp(1.0, std::ilogb(static_cast<float>(value)) - 23);
}

TEST(Math, is_within_its_ulps_of_libm) {
  std::vector<float> x = floats_of_every_size();
  const Values values = run_math(x, "");
  for (size_t f = 0; f < std::size(kFunctions); ++f) {
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double want = to_normal(kFunctions[f].real(to_normal(x[i])));
      const auto nearest = static_cast<float>(want);
      const float is = values[f][i];
      if (!std::isfinite(nearest)) {
        ASSERT_TRUE(is == nearest || (std::isnan(is) && std::isnan(nearest)))
            << kFunctions[f].name << " of " << x[i] << " is " << is << ", must be " << nearest;
        continue;
      }
      // 1 + erf cancels left of 0: there gelu is right to an ulp of its largest term.
      const double scale = kFunctions[f].ulps == 0 ? std::max(1.0, std::abs(double{x[i]})) : 0;
      const double allowed = scale > 0 ? scale * 0x1p-23 : kFunctions[f].ulps * ulp_of(want);
      worst = std::max(worst, std::abs(is - want) / allowed);
    }
    EXPECT_LE(worst, 1) << kFunctions[f].name;
  }
}

TEST(Math, has_the_same_bits_on_every_cpu) {
  std::vector<float> x = floats_of_every_size();
  const auto bits = [&](const char* cpu) {
    std::vector<std::vector<uint32_t>> result;
    for (const std::vector<float>& row : run_math(x, cpu)) {
      result.emplace_back();
      for (const float value : row) {
        result.back().push_back(std::isnan(value) ? 0x7fc00000 : std::bit_cast<uint32_t>(value));
      }
    }
    return result;
  };
  const auto here = bits("");
  EXPECT_EQ(bits("x86-64-v3"), here);
  EXPECT_EQ(bits("x86-64"), here);
}

}  // namespace
}  // namespace tessera
