// SPDX-License-Identifier: Apache-2.0
// Real exporters' graphs through every pass and onto the machine, against outputs that PyTorch and
// ONNX Runtime recorded. A tolerance in units of the outputs' deviation: a lost mask, token type or
// position moves them by a quarter of it or more, rounding to fp16 by a hundredth.
#include <gtest/gtest.h>

#include <filesystem>

#include "compiler/options.h"
#include "passes/pipeline.h"
#include "tests/helpers/on_machine.h"
#include "tests/helpers/onnx_case.h"
#include "tests/helpers/paths.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using test::Tolerance;
using test::Verdict;

constexpr Tolerance kFp32 = {1e-5, 1e-5, 0};
constexpr Tolerance kFp16 = {1e-5, 0.03, 0};

test::Runner through_passes(Precision precision, const std::string& target) {
  return [=](const Graph& graph, const std::map<std::string, Array>& inputs) {
    return [&]() -> Expected<std::vector<Array>> {
      Graph copy = graph.clone();
      PassState state;
      state.options.fp16 = precision == Precision::Fp16;
      TRY(run_passes(copy, state, {}, {}, ""));
      return e2e::run_on_machine(copy, inputs, *target_preset(target));
    }();
  };
}

// Folders of models that must run: those of tests/data, and of the shared folder where it is there.
std::vector<fs::path> models() {
  std::vector<fs::path> all =
      test::cases_in(fs::path(tessera::test::source_dir()) / "tests" / "data");
  if (const auto shared = test::shared_folder())
    for (const fs::path& path : test::cases_in(*shared / "models" / "generated"))
      if (!fs::exists(fs::path(tessera::test::source_dir()) / "tests" / "data" / path.filename()))
        all.push_back(path);
  return all;
}

class Models : public ::testing::TestWithParam<fs::path> {};

TEST_P(Models, agree_with_their_recorded_outputs_at_fp32) {
  const Verdict verdict =
      test::run_case(GetParam(), through_passes(Precision::Fp32, "test"), kFp32);
  EXPECT_EQ(verdict.kind, Verdict::Passed) << verdict.reason;
}

TEST_P(Models, agree_within_the_rounding_of_fp16) {
  const Verdict verdict =
      test::run_case(GetParam(), through_passes(Precision::Fp16, "test"), kFp16);
  EXPECT_EQ(verdict.kind, Verdict::Passed) << verdict.reason;
}

TEST_P(Models, agree_on_all_tiles_of_a_c600) {
  const Verdict verdict =
      test::run_case(GetParam(), through_passes(Precision::Fp32, "c600"), kFp32);
  EXPECT_EQ(verdict.kind, Verdict::Passed) << verdict.reason;
}

INSTANTIATE_TEST_SUITE_P(, Models, ::testing::ValuesIn(models()),
                         [](const auto& model) { return model.param.filename().string(); });

TEST(SharedModels, are_all_there) {
  if (!test::shared_folder())
    GTEST_SKIP() << "no shared folder: only the models of tests/data were run";
  EXPECT_GE(models().size(), 20u);
}

}  // namespace
}  // namespace tessera
