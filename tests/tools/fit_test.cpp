// SPDX-License-Identifier: Apache-2.0
// Whole models that must fit into a C600's tiles, or must not and say why. They are slow.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Fit : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("TESSERA_SLOW") == nullptr) GTEST_SKIP() << "TESSERA_SLOW is not set";
  }
  void TearDown() override {
    for (const char* file : {"fit.onnx", "fit.popef"}) std::filesystem::remove(path(file));
  }

  static Result compiled(const std::string& preset, const std::string& shape,
                         const std::vector<std::string>& more = {}) {
    const Result made = tessera({"make-model", "--preset", preset, "-o", path("fit.onnx")});
    EXPECT_EQ(made.exit_code, 0) << made.err;
    std::vector<std::string> words = {"compile",
                                      "--input_model",
                                      path("fit.onnx"),
                                      "--input_shape",
                                      "input_ids=" + shape,
                                      "--precision",
                                      "fp16",
                                      "-o",
                                      path("fit.popef"),
                                      "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return tessera(words);
  }
};

TEST_F(Fit, bert_base_fits_at_batch_16_and_sequence_256) {
  const Result result = compiled("base", "16,256");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_LE(nlohmann::json::parse(result.out)["peak_tile_bytes"], 638976);
}

TEST_F(Fit, bert_large_fits_at_batch_18_and_sequence_128) {
  const Result result = compiled("large", "18,128", {"--available_memory_proportion", "0.15"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_LE(nlohmann::json::parse(result.out)["peak_tile_bytes"], 638976);
}

TEST_F(Fit, bert_base_at_batch_64_and_sequence_256_does_not_and_one_screen_says_why) {
  const Result result = compiled("base", "64,256");
  ASSERT_EQ(result.exit_code, 4) << result.err;
  const size_t begin = result.err.find("Out of memory on tile ");
  ASSERT_NE(begin, std::string::npos) << result.err;
  const std::string why = result.err.substr(begin);
  EXPECT_THAT(why, AllOf(HasSubstr("bytes used but tiles only have 638976 bytes of memory"),
                         HasSubstr("most is used in superstep"), HasSubstr("what would help: "),
                         HasSubstr("compiled with:"), HasSubstr("--input_shape input_ids=")));
  EXPECT_LE(std::ranges::count(why, '\n'), 24) << why;
  EXPECT_TRUE(exists(path("fit.popef")));  // there is a report of it all the same
}

}  // namespace
}  // namespace tessera::cli
