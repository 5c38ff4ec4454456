// SPDX-License-Identifier: Apache-2.0
// Runs of a model through a session, and what recompiles says of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "support/npy.h"
#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::json;

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

// Words of a run of the tiny model through a session.
std::vector<std::string> session_run(const std::vector<std::string>& more) {
  std::vector<std::string> words = {"run", tiny_model(), "--target", "test"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(Session, policies_decide_the_exit_code) {
  const std::vector<std::string> two = {"--random", "input_ids=4,16", "input_ids=4,12"};
  const auto with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = two;
    words.insert(words.end(), more.begin(), more.end());
    return tessera(session_run(words));
  };
  const Result fail = with({"--on_recompile", "fail"});
  EXPECT_EQ(fail.exit_code, 3);
  EXPECT_THAT(fail.err, HasSubstr("input_ids axis 1 (seq) 16 -> 12"));
  EXPECT_EQ(with({"--recompile_limit", "0"}).exit_code, 3);
  const Result pad = with({"--on_recompile", "pad", "--outputs", path("padded_outputs")});
  EXPECT_EQ(pad.exit_code, 0) << pad.err;
  EXPECT_THAT(pad.err, HasSubstr("padded to input_ids [4,16]"));
  const auto logits = read_npy(path("padded_outputs/1/start_logits.npy"));
  ASSERT_TRUE(logits.ok());
  EXPECT_EQ(logits->shape, (std::vector<int64_t>{4, 12}));
}

TEST(Session, the_cache_is_shared_by_runs_and_counted) {
  const std::string events = path("cache_events.jsonl"), metrics = path("metrics.prom");
  for (int i = 0; i < 2; ++i) {
    const Result run =
        tessera(session_run({"--random", "input_ids=4,16", "--cache_dir", path("cache"), "--events",
                             events, "--metrics", metrics}));
    EXPECT_EQ(run.exit_code, 0) << run.err;
  }
  EXPECT_THAT(tessera({"recompiles", "list", events}).out,
              AllOf(HasSubstr("cold_compile #0"), HasSubstr("cache_load #1"),
                    HasSubstr("2 events, 1 compiles")));
  EXPECT_THAT(read_file(metrics), HasSubstr("tessera_cache_hits_total{model=\"tiny.onnx\"} 1"));
}

TEST(Session, the_cache_folder_may_come_from_the_environment) {
  ASSERT_EQ(setenv("TESSERA_CACHE_DIR", path("env_cache").c_str(), 1), 0);
  const Result cached = tessera(session_run({"--random", "input_ids=4,16"}));
  EXPECT_TRUE(exists(path("env_cache/v1/entries"))) << cached.err;
  const std::string other = path("flag_cache");
  tessera(session_run({"--random", "input_ids=4,16", "--cache_path", other}));
  EXPECT_TRUE(exists(other + "/v1/entries")) << "PopRT's spelling, and a flag comes first";
  const Result without = tessera(session_run({"--random", "input_ids=4,16", "--no_cache"}));
  EXPECT_THAT(without.err, HasSubstr("cold_compile")) << "though the folder has it";
  unsetenv("TESSERA_CACHE_DIR");
}

TEST(Session, warm_up_alone_fills_the_cache) {
  const std::string cache = path("warm_cache");
  const Result warm =
      tessera(session_run({"--warm_up", "input_ids=4,16", "input_ids=4,12", "--cache_dir", cache}));
  EXPECT_EQ(warm.exit_code, 0) << warm.err;
  const Result run = tessera(session_run({"--random", "input_ids=4,12", "input_ids=4,16",
                                          "--cache_dir", cache, "--on_recompile", "fail"}));
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

class Recompiles : public ::testing::Test {
 protected:
  static std::string log() {
    static const std::string file = [] {
      const std::string events = path("explained.jsonl");
      tessera(session_run({"--random", "input_ids=4,16", "input_ids=4,12", "input_ids=4,9",
                           "input_ids=4,9", "--events", events}));
      tessera(
          session_run({"--random", "input_ids=4,16", "--precision", "fp16", "--events", events}));
      return events;
    }();
    return file;
  }
};

TEST_F(Recompiles, show_says_cause_cost_and_who_waited) {
  const Result show = tessera({"recompiles", "show", "1", log()});
  EXPECT_EQ(show.exit_code, 0) << show.err;
  for (const char* words :
       {"cause        input_shape", "input_ids axis 1 (seq) 16 -> 12", "nearest      #0", "lower",
        "waited       1 request", "warn: compiled", "asked by     tessera run"})
    EXPECT_THAT(show.out, HasSubstr(words));
  const Json json = Json::parse(tessera({"recompiles", "show", log(), "1", "--json"}).out);
  EXPECT_EQ(json["cause"], "input_shape");
  EXPECT_EQ(json["diff"][1]["after"], 12);
}

TEST_F(Recompiles, diff_compares_any_two) {
  EXPECT_EQ(tessera({"recompiles", "diff", "0", "1", log()}).out,
            "#0 -> #1: input_shape: input_ids axis 1 (seq) 16 -> 12 (attention_mask, "
            "token_type_ids too)\n");
  // The log is of two runs: events are numbered by their place in it, the fourth closed the first.
  EXPECT_EQ(tessera({"recompiles", "diff", "0", "4", log()}).out,
            "#0 -> #4: options: options precision fp32 -> fp16\n");
  EXPECT_EQ(tessera({"recompiles", "diff", "0", "0", log()}).out,
            "#0 -> #0: the same executable\n");
  const Json json = Json::parse(tessera({"recompiles", "diff", "0", "4", log(), "--json"}).out);
  EXPECT_EQ(json["causes"], Json({"options"}));
}

TEST_F(Recompiles, advise_prices_options_and_gives_commands) {
  const Result text = tessera({"recompiles", "advise", log()});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  for (const char* words : {"5 batches of 3 lengths, 4 compiles", "as in the log",
                            "pad to one shape", "2 fitted buckets", "packing", "tessera "})
    EXPECT_THAT(text.out, HasSubstr(words));
  const Json json = Json::parse(tessera({"recompiles", "advise", log(), "--json"}).out);
  EXPECT_EQ(json["options"][0]["executables"], 3);
  EXPECT_NEAR(json["options"][1]["useful_share"], (16 + 12 + 9 + 9 + 16) / (5 * 16.0), 1e-9);
  EXPECT_THAT(json["options"][1]["command"],
              HasSubstr("--target test --on_recompile pad --recompile_limit 0 --warm_up "
                        "input_ids=4,16"));
}

TEST_F(Recompiles, list_as_json_gives_the_lines_back) {
  EXPECT_EQ(tessera({"recompiles", "list", log(), "--json"}).out, read_file(log()));
}

}  // namespace
}  // namespace tessera::cli
