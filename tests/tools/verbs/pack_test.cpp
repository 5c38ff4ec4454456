// SPDX-License-Identifier: Apache-2.0
// tessera pack: what it prints and writes, and what it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

std::string lengths_file() {
  static const std::string file = [] {
    write_ints(path("lengths.npy"), {5, 6, 3, 7}, {4});
    return path("lengths.npy");
  }();
  return file;
}

TEST(Pack, writes_a_plan_and_says_what_is_used) {
  const Result result = tessera({"pack", lengths_file(), "--rows", "2", "--row_length", "8",
                                 "--policy", "first_fit", "-o", path("plan.json")});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* text : {"batches        2; no packing needs fewer than 2",
                           "tokens used    65.62 % of 32 row tokens", "segments used", "us each"})
    EXPECT_THAT(result.out, HasSubstr(text));
  const Json plan = Json::parse(read_file(path("plan.json")));
  EXPECT_EQ(plan["where"], Json::parse("[[0,0],[0,1],[0,2],[1,0]]"));
}

TEST(Pack, gives_its_figures_as_json) {
  const Result result = tessera({"pack", lengths_file(), "--rows", "2", "--row_length", "8",
                                 "--max_valid_num", "3", "--policy", "lpfhp", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out)["policies"][0];
  EXPECT_EQ(json["policy"], "lpfhp");
  EXPECT_EQ(json["batches"], 2);
  EXPECT_EQ(json["least_batches"], 2);
  EXPECT_DOUBLE_EQ(json["segment_fill"], 4.0 / 6);
}

TEST(Pack, compares_all_policies_in_one_table) {
  const Result result = tessera({"pack", "--random", "500", "--max_valid_num", "40", "--compare"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* name :
       {"padded", "next_fit", "first_fit", "best_fit", "window", "spfhp", "lpfhp"})
    EXPECT_THAT(result.out, HasSubstr(std::string("\n") + name));
}

TEST(Pack, draws_letters_where_no_terminal_listens) {
  const Result result = tessera({"pack", lengths_file(), "--rows", "2", "--row_length", "8",
                                 "--policy", "first_fit", "--picture", "0"});
  EXPECT_THAT(result.out, AllOf(HasSubstr("row 0 |aaaaaccc|"), Not(HasSubstr("\033"))));
}

TEST(Pack, takes_a_histogram_as_a_whole_or_drawn) {
  write_file(path("h.csv"), "length,count\n5,2\n3,2\n2,1\n");
  const Result whole = tessera(
      {"pack", path("h.csv"), "--row_length", "8", "--policy", "spfhp", "-o", path("rows.json")});
  EXPECT_THAT(whole.out, HasSubstr("rows           3; no packing needs fewer than 3"));
  EXPECT_EQ(Json::parse(read_file(path("rows.json")))["kind"], "histogram");
  const Result drawn = tessera(
      {"pack", path("h.csv"), "--draw", "50", "--policy", "spfhp", "-o", path("rows.json")});
  EXPECT_THAT(drawn.out, HasSubstr("50 drawn from"));
  EXPECT_EQ(Json::parse(read_file(path("rows.json")))["requests"], 50);
}

TEST(Pack, takes_the_batch_of_an_executable) {
  const Result result = tessera({"pack", lengths_file(), "--executable", packed_executable()});
  EXPECT_THAT(result.out, HasSubstr("form A, 4 rows of 16 tokens, at most 12 requests"));
}

TEST(Pack, tune_compiles_the_candidates_and_prints_the_command) {
  const Words words = {"pack",     "tune", lengths_file(), "--input_model", tiny_model(),
                       "--target", "test", "--try_rows",   "2,4",           "--try_row_length",
                       "16"};
  const Result result = tessera(words);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("costs    modelled, of "),
                                HasSubstr("compile:  tessera compile --input_model " +
                                          tiny_model() + " --input_shape input_ids="),
                                HasSubstr("--target test"), HasSubstr("--timeout_microseconds")));
}

TEST(Pack, tune_chooses_among_executables) {
  const Result result = tessera({"pack", "tune", lengths_file(), "--executables",
                                 padded_executable(), packed_executable(), "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  ASSERT_EQ(json["candidates"].size(), 2u);
  EXPECT_EQ(json["candidates"][0]["form"], "none");
  EXPECT_GT(json["best"]["modelled_requests_per_second"], 0);
}

// Three requests for the packed executable.
std::string requests_folder() {
  static const std::string folder = [] {
    int i = 0;
    for (const std::vector<int32_t>& ids : {
             std::vector<int32_t>{5, 6, 7},
             {8},
             {9, 10, 11, 12, 13}
    })
      for (const char* input : {"input_ids", "token_type_ids"}) {
        const auto size = static_cast<int64_t>(ids.size());
        write_ints(path("planned/" + std::to_string(i++ / 2) + "/" + input + ".npy"),
                   input[0] == 'i' ? ids : std::vector<int32_t>(ids.size(), 0), {size});
      }
    return path("planned");
  }();
  return folder;
}

TEST(Pack, a_plan_is_run_to_the_same_answers) {
  const std::string plan = path("requests_plan.json");
  const Result pack = tessera({"pack", requests_folder(), "--executable", packed_executable(),
                               "--policy", "lpfhp", "-o", plan});
  ASSERT_EQ(pack.exit_code, 0) << pack.err;
  const auto run = [&](const std::string& outputs, const Words& more) {
    Words words = {"run",       packed_executable(), "--requests", requests_folder(),
                   "--outputs", path(outputs)};
    words.insert(words.end(), more.begin(), more.end());
    return tessera(words);
  };
  const Result planned = run("by_plan", {"--plan", plan});
  ASSERT_EQ(planned.exit_code, 0) << planned.err;
  EXPECT_THAT(planned.out, HasSubstr("answered 3 of 3 requests in 1 batches"));
  ASSERT_EQ(run("by_policy", {"--policy", "next_fit"}).exit_code, 0);
  for (const char* name : {"0", "1", "2"}) {
    const std::string file = std::string("/") + name + "/start_logits.npy";
    EXPECT_EQ(read_file(path("by_plan") + file), read_file(path("by_policy") + file));
  }
}

TEST(Pack, a_plan_for_others_is_refused) {
  const auto refuse = [&](const Words& pack_words) {
    Words words = {"pack", "-o", path("other_plan.json")};
    words.insert(words.end(), pack_words.begin(), pack_words.end());
    EXPECT_EQ(tessera(words).exit_code, 0);
    const Result run = tessera({"run", packed_executable(), "--requests", requests_folder(),
                                "--plan", path("other_plan.json")});
    EXPECT_EQ(run.exit_code, 1);
    return run.err;
  };
  EXPECT_THAT(refuse({lengths_file(), "--executable", packed_executable()}),
              HasSubstr("4 requests, must be 3 as in this run"));
  EXPECT_THAT(refuse({requests_folder(), "--rows", "4", "--row_length", "16"}),
              HasSubstr("packing form"));
  EXPECT_THAT(refuse({requests_folder(), "--form", "a", "--rows", "5", "--row_length", "16"}),
              HasSubstr("5 rows, must be 4"));
  write_ints(path("three.npy"), {3, 1, 4}, {3});
  EXPECT_THAT(refuse({path("three.npy"), "--executable", packed_executable()}),
              HasSubstr("request 2 has 4 tokens, must have 5 as in this run"));
}

struct Refusal {
  Words words;
  int exit_code;
  std::string says;
};

TEST(Pack, what_is_wrong_is_said) {
  write_file(path("bad.csv"), "length;count\n");
  const Refusal refusals[] = {
      {{"pack"},                                                                             2, "either lengths"                            },
      {{"pack", "a.npy", "b.npy"},                                                           2, "must be one source"                        },
      {{"pack", "/no/such/lengths.npy"},                                                     1, "/no/such/lengths.npy"                      },
      {{"pack", path("bad.csv")},                                                            5, "bad.csv:1: must be the header"             },
      {{"pack", lengths_file(), "--policy", "bestfit"},                                      2, "--policy: 'bestfit', must be"              },
      {{"pack", lengths_file(), "--pinned", "65"},                                           2, "--pinned: 65, must be in 0..64, the window"},
      {{"pack", lengths_file(), "--form", "c"},                                              2, "--form: 'c', must be A, B or"              },
      {{"pack", lengths_file(), "--rows", "0"},                                              2, "--rows: 0, must be in 1.."                 },
      {{"pack", lengths_file(), "--row_length", "6"},                                        1, "request 3: length is 7"                    },
      {{"pack", lengths_file(), "--picture", "9"},                                           2, "--picture: 9, must be in 0..0"             },
      {{"pack", "tune", lengths_file()},                                                     2, "--input_model or --executables"            },
      {{"pack", "tune", "--random", "500", "--avg_seq_len", "8", "--max_seq_len", "16",
        "--executables", packed_executable(), "--rate", "1e9"},
       3,                                                                                       "no shape fits, keeps up"                   },
      {{"pack", "tune", lengths_file(), "--input_model", tiny_model(), "--try_rows", "2,x"},
       2,                                                                                       "--try_rows: 'x'"                           },
  };
  for (const Refusal& refusal : refusals) {
    const Result result = tessera(refusal.words);
    EXPECT_EQ(result.exit_code, refusal.exit_code) << result.err;
    EXPECT_THAT(result.err, HasSubstr(refusal.says));
  }
}

}  // namespace
}  // namespace tessera::cli
