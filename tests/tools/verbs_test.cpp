// SPDX-License-Identifier: Apache-2.0
// What each verb prints and writes when all is well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "support/npy.h"
#include "tests/helpers/paths.h"
#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

TEST(Help, every_verb_teaches_with_an_example) {
  const Result overview = tessera({"--help"});
  EXPECT_EQ(overview.exit_code, 0);
  for (const char* verb : {"check", "compile", "run", "bench", "inspect", "recompiles", "convert",
                           "make-model", "pack", "sweep", "text", "serve", "trace", "verify",
                           "sign", "keygen", "completion", "doctor", "version"}) {
    EXPECT_THAT(overview.out, HasSubstr(verb));
    const Result help = tessera({verb, "--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, AllOf(HasSubstr("usage:"), HasSubstr("example:"), Not(HasSubstr("\\n"))));
  }
}

TEST(Check, says_what_inputs_mean_and_how_far_answers_are) {
  const Result text = tessera({"check", tiny_model(), "--target", "test"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  for (const char* word : {"all supported", "the longest table of floats", "packed, form A",
                           "errors against the reference interpreter", "start_logits"})
    EXPECT_THAT(text.out, HasSubstr(word));
  const Result json = tessera({"check", tiny_model(), "--target", "test", "--json", "--by_layer"});
  const Json report = Json::parse(json.out);
  EXPECT_TRUE(report["all_well"]);
  EXPECT_GT(report["layers"].size(), 5u);
}

TEST(Check, an_error_past_the_tolerance_is_exit_code_1) {
  const Result result = tessera(
      {"check", tiny_model(), "--target", "test", "--precision", "fp16", "--tolerance", "1e-9"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("TOO FAR"));
  EXPECT_THAT(result.err, HasSubstr("an output is too far from the reference"));
  for (const auto& [flag, value] : std::vector<std::pair<std::string, std::string>>{
           {"--reference",       "nobody"},
           {"--tolerance",       "-1"    },
           {"--random_requests", "-1"    }
  })
    EXPECT_EQ(tessera({"check", tiny_model(), flag, value}).exit_code, 2) << flag;
}

TEST(Inspect, shows_what_a_model_declares) {
  const Result text = tessera({"inspect", tiny_model()});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  for (const char* word :
       {"input      input_ids int64[batch,seq", "output     start_logits", "MatMul"})
    EXPECT_THAT(text.out, HasSubstr(word));
  const Json json = Json::parse(tessera({"inspect", tiny_model(), "--json"}).out);
  EXPECT_EQ(json["inputs"].size(), 3u);
  EXPECT_TRUE(json["ops"][0]["supported"]);
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
  EXPECT_THAT(result.err, AllOf(HasSubstr("Out of memory on tile"),
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

TEST(Inspect, views_add_up_and_lead_from_nodes_to_supersteps_and_back) {
  const Json all = Json::parse(tessera({"inspect", padded_executable(), "--json"}).out);
  const Json profile =
      Json::parse(tessera({"inspect", padded_executable(), "--cycles", "--json"}).out);
  int64_t sum = 0;
  for (const Json& step : profile["execution"]["steps"])
    sum += step["ipus"][0]["cycles"].get<int64_t>();
  EXPECT_EQ(sum, all["cycles"]["total"]);
  EXPECT_EQ(profile["compilation"]["target"]["numTiles"], 4);
  EXPECT_EQ(profile["compilation"]["tiles"].size(), 4u);
  EXPECT_GT(profile["execution"]["ampUtilisation"], 0.0);
  EXPECT_LT(profile["execution"]["ampUtilisation"], 1.0);

  // As libpva's users ask: the peak of a tile is what its categories add up to.
  const Json& tile =
      profile["compilation"]["livenessProgramSteps"][0]["notAlwaysLiveMemoryForTile"];
  const Json& fullest = profile["compilation"]["tiles"][tile["tile"].get<size_t>()]["memory"];
  int64_t peak = 0;
  for (const Json& category : fullest["category"]) peak += category["total"].get<int64_t>();
  EXPECT_EQ(peak, fullest["total"]["includingGaps"]);
  int64_t most = 0;
  for (const Json& at : profile["compilation"]["livenessProgramSteps"]) {
    int64_t bytes = 0;
    for (const Json& category : at["notAlwaysLiveMemoryForTile"]["category"])
      bytes += category["total"].get<int64_t>();
    most = std::max(most, bytes);
  }
  EXPECT_EQ(most, peak);

  // Of one superstep, what each tile does: the largest is the superstep's.
  const std::string last = profile["execution"]["steps"].back()["program"]["name"];
  const Json by_tile =
      Json::parse(tessera({"inspect", padded_executable(), "--superstep", last, "--json"}).out);
  const Json& ipu = by_tile["execution"]["steps"].back()["ipus"][0];
  for (const std::string part : {"rearrangeCycles", "exchangeCycles", "computeSetCycles"}) {
    const auto tiles = ipu[part + "ByTile"].get<std::vector<int64_t>>();
    ASSERT_EQ(tiles.size(), 4u);
    EXPECT_EQ(*std::ranges::max_element(tiles), ipu[part]) << part;
  }
  EXPECT_EQ(tessera({"inspect", padded_executable(), "--superstep", "nobody", "--json"}).exit_code,
            2);

  const Json& step = profile["execution"]["steps"].back()["program"];
  const Result one =
      tessera({"inspect", padded_executable(), "--superstep", step["name"].get<std::string>()});
  const std::string node = step["origin"][0];
  EXPECT_THAT(one.out, HasSubstr(node));
  const Result back = tessera({"inspect", padded_executable(), "--node", node});
  EXPECT_EQ(back.exit_code, 0) << back.err;
  EXPECT_EQ(tessera({"inspect", padded_executable(), "--node", "nobody"}).exit_code, 2);
  EXPECT_EQ(tessera({"inspect", padded_executable(), "--superstep", "nobody"}).exit_code, 2);
  for (const char* view : {"--cycles", "--ops", "--memory", "--liveness"})
    EXPECT_EQ(tessera({"inspect", padded_executable(), view}).exit_code, 0);
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
  // Of two runs: events are numbered by their place in the file, the fourth closed the first run.
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
                                 "5", "--avg_seq_len", "8", "--vocab", "100"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const char* line : {"[Original] Throughput:", "[Pack Offline] Throughput:",
                           "[Pack Online] Throughput:", "modelled IPU", "average mae"})
    EXPECT_THAT(result.out, HasSubstr(line));
}

// Online, in virtual time: the same every time, and the same again from its record.
TEST(BenchOnline, virtual_time_is_deterministic_and_replays) {
  const std::vector<std::string> words = {"bench",
                                          "--online",
                                          "--virtual",
                                          packed_executable(),
                                          "--rate",
                                          "20000",
                                          "--requests",
                                          "500",
                                          "--deadline_microseconds",
                                          "2000",
                                          "--batch_microseconds",
                                          "1000",
                                          "--record",
                                          path("run.jsonl"),
                                          "--json"};
  const Result first = tessera(words);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const std::string record = read_file(path("run.jsonl"));
  EXPECT_EQ(tessera(words).out, first.out);
  EXPECT_EQ(read_file(path("run.jsonl")), record);
  const Json figures = Json::parse(first.out);
  const int64_t answered = figures["answered"], missed = figures["deadline_missed"];
  EXPECT_EQ(answered + missed + figures["rejected"]["deadline"].get<int64_t>(), 500);
  EXPECT_LE(figures["latency_seconds"]["max"], 0.002);
  EXPECT_GT(figures["token_fill"], 0.5);

  const Result again = tessera({"bench", "--online", "--replay", path("run.jsonl"), "--explain"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, AllOf(HasSubstr("events replayed to the same"), HasSubstr("row 0 |"),
                               HasSubstr("closed at")));
  // Another start of the first request of some batch is another batch.
  std::string other = record;
  other.replace(other.find("\"starts\":[0"), 11, "\"starts\":[1");
  write_file(path("other.jsonl"), other);
  const Result changed = tessera({"bench", "--online", "--replay", path("other.jsonl")});
  EXPECT_EQ(changed.exit_code, 1);
  EXPECT_THAT(changed.err, HasSubstr("batch 0 is another, must be as recorded"));
}

TEST(BenchOnline, real_requests_come_by_trace_and_a_real_run_replays) {
  write_file(path("trace.csv"),
             "seconds,length,priority,deadline_microseconds\n"
             "0,5,0,0\n0.001,17,1,0\n0.002,7,2,1\n0.003,16,0,60000000\n");
  const Result run =
      tessera({"bench", "--online", packed_executable(), "--trace", path("trace.csv"), "--vocab",
               "90", "--record", path("real.jsonl"), "--prometheus", path("metrics.txt")});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("4 requests in"), HasSubstr(": 2 answered"),
                             HasSubstr("1 rejected: over_long"), HasSubstr("1 rejected: deadline"),
                             HasSubstr("p99.9"), HasSubstr("of the segments")));
  EXPECT_THAT(
      read_file(path("metrics.txt")),
      AllOf(HasSubstr("# TYPE tessera_batches_total counter"), HasSubstr("answered_total")));
  EXPECT_EQ(tessera({"bench", "--online", "--replay", path("real.jsonl")}).exit_code, 0);
}

TEST(BenchOnline, clients_send_one_after_the_other) {
  const Result run = tessera({"bench", "--online", packed_executable(), "--clients", "3",
                              "--requests", "40", "--vocab", "90", "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const Json figures = Json::parse(run.out);
  EXPECT_EQ(figures["answered"], 40);
  EXPECT_LE(figures["queue"]["most_requests"], 3);
}

TEST(BenchOnline, what_is_wrong_is_said) {
  write_file(path("bad.csv"), "seconds,length\n1,x\n");
  write_file(path("bad.jsonl"), "{}\n");
  const auto error = [](std::vector<std::string> words) {
    words.insert(words.begin(), "bench");
    return tessera(words).err;
  };
  EXPECT_THAT(error({"--online", "--virtual", "--rate", "5"}),
              HasSubstr("nothing says how long a batch takes"));
  EXPECT_THAT(error({"--online", "--rate", "5"}), HasSubstr("no executable, must be one"));
  EXPECT_THAT(error({"--online", "--virtual", "--batch_microseconds", "5"}),
              HasSubstr("must have one of --rate R, --trace FILE, --clients N"));
  EXPECT_THAT(
      error({"--online", "--virtual", "--batch_microseconds", "5", "--trace", path("bad.csv")}),
      HasSubstr("bad.csv:2: '1,x', must be 2 numbers"));
  EXPECT_THAT(error({"--online", "--replay", path("bad.jsonl")}),
              HasSubstr("bad.jsonl:1: schema is '', must be online/1"));
  EXPECT_THAT(error({packed_executable(), "--rate", "5"}),
              HasSubstr("--rate: is for --online, must be left out without it"));
}

TEST(Json, verbs_that_make_or_run_say_what_they_did) {
  const Json made =
      Json::parse(tessera({"make-model", "--preset", "tiny", "-o", path("j.onnx"), "--json"}).out);
  EXPECT_EQ(made["family"], "bert");
  EXPECT_EQ(made["layers"], 2);
  const Json ran =
      Json::parse(tessera({"run", padded_executable(), "--random", "yes", "yes", "--json"}).out);
  ASSERT_EQ(ran["batches"].size(), 2u);
  EXPECT_GT(ran["batches"][0]["cycles"], 0);
  const Json converted = Json::parse(tessera({"convert", "-i", tiny_model(), "-o", path("c.onnx"),
                                              "--input_shape", "input_ids=4,16", "--json"})
                                         .out);
  EXPECT_GT(converted["nodes"], 10);
}

TEST(Progress, is_told_as_asked_and_only_on_stderr) {
  const std::vector<std::string> words = {"run", padded_executable(), "--random", "yes", "yes"};
  const auto with = [&](const char* kind) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--progress", kind});
    return tessera(all);
  };
  EXPECT_EQ(tessera(words).err, "") << "not a terminal";
  EXPECT_EQ(with("none").err, "");
  EXPECT_THAT(with("plain").err,
              AllOf(HasSubstr(": loading … "), HasSubstr(": batches 0 of 2 … ")));
  const std::string json = with("json").err;
  const Json first = Json::parse(json.substr(0, json.find('\n')));
  EXPECT_EQ(first["now"], "loading");
  EXPECT_THAT(with("bar").err, AllOf(HasSubstr("loading"), ::testing::EndsWith("\r\033[K")));
}

// What bash offers for these words, the last of which is not finished.
std::string offered(const std::string& words) {
  const std::string script = path("complete.sh"), out = path("offered");
  write_file(script, tessera({"completion", "bash"}).out + "\nCOMP_WORDS=(" + words +
                         ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_tessera\n"
                         "echo \"${COMPREPLY[*]}\"\n");
  EXPECT_EQ(std::system(("bash -eu " + script + " > " + out).c_str()), 0);
  return read_file(out);
}

TEST(Completion, bash_offers_verbs_flags_and_files) {
  EXPECT_EQ(offered("tessera comp"), "compile completion\n");
  EXPECT_EQ(offered("tessera compile --prec"), "--precision\n");
  EXPECT_THAT(offered("tessera run ''"), Not(HasSubstr("--")));
  EXPECT_EQ(offered("tessera help ver"), "verify version\n");
}

TEST(Completion, is_written_for_the_shells_that_are_named) {
  for (const char* shell : {"zsh", "fish"}) {
    const Result script = tessera({"completion", shell});
    EXPECT_EQ(script.exit_code, 0);
    EXPECT_THAT(script.out, AllOf(HasSubstr("compile"), HasSubstr("precision")));
    const std::string file = path(std::string("completion.") + shell);
    write_file(file, script.out);
    const std::string has = "command -v " + std::string(shell) + " > " + path("has");
    if (std::system(has.c_str()) != 0) continue;  // then its words alone are looked at
    EXPECT_EQ(std::system((std::string(shell) + " -n " + file).c_str()), 0);
  }
  EXPECT_EQ(tessera({"completion", "csh"}).exit_code, 2);
  EXPECT_EQ(tessera({"completion"}).exit_code, 2);
}

}  // namespace
}  // namespace tessera::cli
