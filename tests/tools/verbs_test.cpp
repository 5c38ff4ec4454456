// SPDX-License-Identifier: Apache-2.0
// What each verb prints and writes when all is well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::json;

TEST(Help, every_verb_teaches_with_an_example) {
  const Result overview = tessera({"--help"});
  EXPECT_EQ(overview.exit_code, 0);
  for (const char* verb :
       {"compile", "run", "bench", "inspect", "recompiles", "convert", "make-model", "version"}) {
    EXPECT_THAT(overview.out, HasSubstr(verb));
    const Result help = tessera({verb, "--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, AllOf(HasSubstr("usage:"), HasSubstr("example:")));
  }
}

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
  for (const char* word : {"supersteps", "peak tile memory", "cycles per batch", "file"})
    EXPECT_THAT(text.out, HasSubstr(word));
  const Result json =
      tessera({"compile", "--input_model", tiny_model(), "--input_shape", "input_ids=4,16",
               "--target", "test", "-o", path("said.popef"), "--json"});
  const Json summary = Json::parse(json.out);
  EXPECT_GT(summary["supersteps"], 10);
  EXPECT_GT(summary["cycles_per_batch"], 1000);
}

TEST(Run, writes_an_array_per_output) {
  const Result result = tessera(
      {"run", padded_executable(), "--inputs", padded_inputs(), "--outputs", path("answers")});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(exists(path("answers/start_logits.npy")));
  EXPECT_TRUE(exists(path("answers/end_logits.npy")));
}

TEST(Run, the_isolated_machine_writes_the_same_bytes) {
  ASSERT_EQ(tessera({"run", padded_executable(), "--inputs", padded_inputs(), "--outputs",
                     path("direct"), "--threads", "1"})
                .exit_code,
            0);
  ASSERT_EQ(tessera({"run", padded_executable(), "--inputs", padded_inputs(), "--outputs",
                     path("isolated"), "--isolated"})
                .exit_code,
            0);
  EXPECT_EQ(read_file(path("direct/start_logits.npy")),
            read_file(path("isolated/start_logits.npy")));
}

TEST(Run, a_model_compiles_for_each_new_shape_and_says_why) {
  const std::string events = path("events.jsonl");
  const Result run = tessera({"run", tiny_model(), "--target", "test", "--random", "input_ids=4,16",
                              "input_ids=4,12", "input_ids=4,16", "--events", events});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  const Result list = tessera({"recompiles", "list", events});
  EXPECT_EQ(list.exit_code, 0);
  EXPECT_THAT(list.out, HasSubstr("first_seen"));
  EXPECT_THAT(list.out, AllOf(HasSubstr("input_ids axis 1"), HasSubstr("16 -> 12")));
  EXPECT_THAT(list.out, HasSubstr("2 events"));
}

TEST(Inspect, tells_what_the_file_holds) {
  const Result text = tessera({"inspect", packed_executable(), "--supersteps"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  for (const char* word : {"input_ids", "start_logits", "packing", "form A", "matmul", "cycles"})
    EXPECT_THAT(text.out, HasSubstr(word));
  const Json json = Json::parse(tessera({"inspect", packed_executable(), "--json"}).out);
  EXPECT_EQ(json["packing"]["max_valid_num"], 12);
  EXPECT_GT(json["supersteps"].size(), 10u);
}

TEST(Convert, writes_a_model_that_compiles_again) {
  const std::string converted = path("converted.onnx");
  const Result result = tessera({"convert", "--input_model", tiny_model(), "--input_shape",
                                 "input_ids=4,16", "--pack_args", "max_valid_num=12",
                                 "segment_max_size=16", "--output_model", converted});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(read_file(converted), HasSubstr("ai.graphcore"));
  EXPECT_EQ(tessera({"compile", "--input_model", converted, "--target", "test", "-o",
                     path("converted.popef")})
                .exit_code,
            0);
}

TEST(Bench, prints_the_chapters_three_lines) {
  const Result result = tessera({"bench", padded_executable(), packed_executable(), "--iterations",
                                 "5", "--avg_seq_len", "8", "--vocabulary", "100"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const char* line : {"[Original] Throughput:", "[Pack Offline] Throughput:",
                           "[Pack Online] Throughput:", "modelled IPU", "average mae"})
    EXPECT_THAT(result.out, HasSubstr(line));
}

}  // namespace
}  // namespace tessera::cli
