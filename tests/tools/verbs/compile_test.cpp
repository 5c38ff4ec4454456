// SPDX-License-Identifier: Apache-2.0
// The verb compile, when all is well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/helpers/paths.h"
#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::json;

TEST(Compile, twice_gives_the_same_bytes) {
  for (const char* name : {"one.popef", "two.popef"})
    ASSERT_EQ(tessera({"compile", "--input_model", tiny_model(), "--input_shape", "input_ids=4,16",
                       "--precision", "fp16", "--target", "test", "-o", path(name)})
                  .exit_code,
              0);
  EXPECT_EQ(read_file(path("one.popef")), read_file(path("two.popef")));
}

TEST(Compile, says_what_it_made) {
  const Result text = tessera({"compile", "--input_model", tiny_model(), "--input_shape",
                               "input_ids=4,16", "--target", "test", "-o", path("said.popef")});
  for (const char* word : {"supersteps", "peak tile memory", "cycles (", "file"})
    EXPECT_THAT(text.out, HasSubstr(word));
  const Result json =
      tessera({"compile", "--input_model", tiny_model(), "--input_shape", "input_ids=4,16",
               "--target", "test", "-o", path("said.popef"), "--json"});
  const Json summary = Json::parse(json.out);
  EXPECT_GT(summary["supersteps"], 10);
  EXPECT_GT(summary["cycles_per_batch"], 1000);
}

TEST(Compile, says_what_stays_in_fp32_and_why) {
  const std::string model =
      test::source_dir() + "/tests/data/cases/fp16_normalize_large/model.onnx";
  const auto compiled = [&](std::vector<std::string> words) {
    std::vector<std::string> all = {"compile",  "--input_model", model, "--precision",     "fp16",
                                    "--target", "test",          "-o",  path("kept.popef")};
    all.insert(all.end(), words.begin(), words.end());
    return tessera(all);
  };
  EXPECT_THAT(compiled({}).out, HasSubstr("kept in fp32"));
  const Result verbose = compiled({"--verbose"});
  for (const char* line : {"statistics       ReduceL2_0 (reduce_sum): adds up 64 numbers, squares",
                           "constants        Clip_1 (max): meets a constant of 1e-12"})
    EXPECT_THAT(verbose.out, HasSubstr(line));
  EXPECT_THAT(tessera({"inspect", path("kept.popef")}).out,
              HasSubstr("statistics       ReduceL2_0 (reduce_sum): adds up 64 numbers, squares"));
  const Json told = Json::parse(tessera({"inspect", path("kept.popef"), "--json"}).out);
  EXPECT_GE(told["kept_in_fp32"].size(), 5u);
  EXPECT_EQ(told["kept_in_fp32"][0]["rule"], "statistics");

  const Result named = compiled({"--fp16_skip_nodes", "Div_2", "--verbose"});
  EXPECT_EQ(named.exit_code, 0) << named.err;
  const Result unknown = compiled({"--fp16_skip_nodes", "Div_3"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("fp16_skip_nodes: there is no node or value 'Div_3', the "
                                     "nearest is 'Div_2'"));
}

// On good paths the flags are tried by tests/python/test_calibration.py.
TEST(Compile, calibrates_fp8_alone_and_by_data) {
  const auto error_of = [&](std::vector<std::string> words) {
    std::vector<std::string> all = {"compile",        "--input_model",  tiny_model(),
                                    "--input_shape",  "input_ids=4,16", "-o",
                                    path("fp8.popef")};
    all.insert(all.end(), words.begin(), words.end());
    const Result result = tessera(all);
    EXPECT_EQ(result.exit_code, kUsage);
    EXPECT_FALSE(exists(path("fp8.popef")));
    return result.err;
  };
  EXPECT_THAT(error_of({"--calibration_with_data", "--data_preprocess", padded_inputs()}),
              HasSubstr("--calibration_with_data: precision must be fp8 or fp8_weight"));
  EXPECT_THAT(error_of({"--precision", "fp8", "--calibration_with_data"}),
              HasSubstr("--calibration_with_data: must be with --data_preprocess PATH"));
  for (const char* flag :
       {"--data_preprocess", "--calibration_loss_type", "--num_of_layers_keep_fp16"}) {
    const std::string value = flag == std::string("--num_of_layers_keep_fp16") ? "1" : "mse";
    EXPECT_THAT(error_of({"--precision", "fp8", flag, value}),
                HasSubstr(std::string(flag) + ": is given, must be with --calibration_with_data"));
  }
  EXPECT_THAT(error_of({"--precision", "fp8", "--precision_compare"}),
              HasSubstr("--precision_compare: is given"));
  EXPECT_THAT(error_of({"--precision", "fp8", "--calibration_with_data", "--data_preprocess",
                        padded_inputs(), "--calibration_loss_type", "gptq"}),
              HasSubstr("'gptq', must be one of mse, mae, snr, kld, cos_dist"));
  EXPECT_THAT(error_of({"--precision", "fp8", "--calibration_with_data", "--data_preprocess",
                        padded_inputs(), "--num_of_layers_keep_fp16", "999"}),
              HasSubstr("num_of_layers_keep_fp16: is 999, must be from 0 to"));
}

TEST(Compile, numbers_of_a_target_can_be_other_ones) {
  const auto compiled = [&](std::vector<std::string> words) {
    std::vector<std::string> all = {
        "compile", "--input_model",       tiny_model(), "--input_shape", "input_ids=4,16",
        "-o",      path("what_if.popef"), "--json"};
    all.insert(all.end(), words.begin(), words.end());
    return tessera(all);
  };
  const auto cycles = [&](const std::vector<std::string>& words) {
    const Result result = compiled(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Json::parse(result.out)["cycles_per_batch"].get<int64_t>();
  };
  const int64_t plain = cycles({"--target", "test"});
  EXPECT_GT(cycles({"--target", "test,sync_cycles=1000"}), plain);
  EXPECT_EQ(cycles({"--target", "test", "--target", "clock_hz=1e9"}), plain);
  for (const auto& [word, why] : std::vector<std::pair<std::string, std::string>>{
           {"test,tile=3",  "--target tile=3: must be one of tiles, bytes_per_tile"             },
           {"test,tiles=0", "--target tiles=0: must be a whole number above 0 and at most 65536"},
           {"test,gc200",   "--target gc200: must be given once, is also test"                  },
           {"mk1",          "target 'mk1' is not known"                                         }
  }) {
    const Result result = compiled({"--target", word});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr(why));
  }
}

TEST(Compile, keeps_a_label_that_inspect_shows) {
  const std::string labelled = path("labelled.popef");
  const std::vector<std::string> words = {"compile",       "--input_model", tiny_model(),
                                          "--input_shape", "input_ids=2,8", "-o",
                                          labelled,        "--label"};
  const auto with = [&](const std::string& label) {
    std::vector<std::string> all = words;
    all.push_back(label);
    return tessera(all);
  };
  ASSERT_EQ(with("v2, for search").exit_code, 0);
  EXPECT_THAT(tessera({"inspect", labelled}).out, HasSubstr("label      v2, for search\n"));
  EXPECT_THAT(tessera({"inspect", labelled, "--json"}).out, HasSubstr("\"v2, for search\""));
  for (const std::string& wrong : {std::string("\x1b[2J"), std::string(1001, 'a')}) {
    const Result refused = with(wrong);
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_THAT(refused.err, HasSubstr("label: "));
  }
}

TEST(Compile, out_of_memory_says_what_really_compiled_variants_take) {
  const auto compiled = [](const std::string& rows, const std::string& target) {
    return tessera({"compile", "--input_model", tiny_model(), "--input_shape",
                    "input_ids=" + rows + ",32", "--target", target, "-o", path("large.popef"),
                    "--json"});
  };
  const auto peak = [&](const std::string& rows) {
    return Json::parse(compiled(rows, "test").out)["peak_tile_bytes"].get<int64_t>();
  };
  const int64_t between = (peak("8") + peak("2")) / 2;
  const std::string target = "test,bytes_per_tile=" + std::to_string(between);
  const Result result = compiled("8", target);
  EXPECT_EQ(result.exit_code, 4) << result.err;
  EXPECT_TRUE(exists(path("large.popef")));
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("Out of memory on tile"), HasSubstr("\n  most is used in superstep"),
                    HasSubstr("\n  what would help: "),
                    HasSubstr("of 2, fits: --input_shape input_ids=2,32"),
                    HasSubstr(": --precision fp16")));
  const Json smaller = Json::parse(compiled("2", target).out);
  EXPECT_THAT(result.err,
              HasSubstr(std::to_string(smaller["peak_tile_bytes"].get<int64_t>()) + " bytes,"));
  EXPECT_THAT(result.err, HasSubstr(std::to_string(smaller["cycles_per_batch"].get<int64_t>()) +
                                    " cycles a batch of 2"));
}

TEST(Compile, tiles_for_io_do_not_compute) {
  const auto compiled = [&](const std::string& tiles) {
    return tessera({"compile", "--input_model", tiny_model(), "--input_shape", "input_ids=4,16",
                    "--target", "test", "--batches_per_step", "64", "--num_io_tiles", tiles, "-o",
                    path("io.popef")});
  };
  ASSERT_EQ(compiled("1").exit_code, 0);
  const Json json = Json::parse(tessera({"inspect", path("io.popef"), "--json"}).out);
  EXPECT_EQ(json["tiles"], 3);
  const Result none_left = compiled("4");
  EXPECT_EQ(none_left.exit_code, 2);
  EXPECT_THAT(none_left.err, HasSubstr("num_io_tiles: is 4, must be from 0 to 3"));
}

}  // namespace
}  // namespace tessera::cli
