// SPDX-License-Identifier: Apache-2.0
// The output of the other verbs when all is well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/npy.h"
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
  for (const std::string& verb : verbs()) {
    EXPECT_THAT(overview.out, HasSubstr("\n  " + verb + " "));
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

  // Each tile has its share of one superstep: the largest is the superstep's.
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

TEST(Inspect, tells_what_the_file_holds) {
  const Result text = tessera({"inspect", packed_executable(), "--supersteps"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  for (const char* word : {"input_ids", "start_logits", "packing", "form A", "matmul", "cycles"})
    EXPECT_THAT(text.out, HasSubstr(word));
  const Json json = Json::parse(tessera({"inspect", packed_executable(), "--json"}).out);
  EXPECT_EQ(json["packing"]["max_valid_num"], 12);
  EXPECT_GT(json["supersteps"].size(), 10u);
}

TEST(Quantize, writes_a_model_of_bytes_and_says_how_far_it_is) {
  write_ints(path("cal/one/input_ids.npy"), {5, 6, 7, 8, 9}, {5});
  write_ints(path("cal/two/input_ids.npy"), {5, 6}, {2});
  const Result text = tessera({"quantize", tiny_model(), "-o", path("int8.onnx"), "--scales",
                               "static", "--calibration", path("cal")});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.err, "");
  for (const char* word : {"matmuls by weights in bytes, static scales", "2 samples, in 1 batches",
                           "start_logits", "cosine", "all before them in bytes too"})
    EXPECT_THAT(text.out, HasSubstr(word));
  EXPECT_EQ(tessera({"compile", path("int8.onnx"), "--input_shape", "input_ids=4,16", "--target",
                     "test", "-o", path("int8.popef")})
                .exit_code,
            0);
  const Json json = Json::parse(tessera({"quantize", tiny_model(), "-o", path("int8.onnx"),
                                         "--skip_most_sensitive", "1", "--json"})
                                    .out);
  EXPECT_EQ(json["quantized"], json["matmuls"].size() - 1);
  EXPECT_GT(json["worst_error"], 0);
}

TEST(Quantize, warns_of_random_numbers_and_refuses_what_it_cannot_keep) {
  const std::string to = path("none.onnx");
  EXPECT_THAT(tessera({"quantize", tiny_model(), "-o", path("r.onnx"), "--scales", "static"}).err,
              HasSubstr("warning: no calibration set"));
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"--scales", "row"},
           {"--max_error", "0"},
           {"--max_error", "1", "--skip_most_sensitive", "1"},
           {"--skip_op_names", "nobody"}
  }) {
    std::vector<std::string> all = {"quantize", tiny_model(), "-o", to};
    all.insert(all.end(), words.begin(), words.end());
    EXPECT_EQ(tessera(all).exit_code, 2) << words[0];
  }
  EXPECT_EQ(tessera({"quantize", tiny_model()}).exit_code, 2);
  EXPECT_EQ(tessera({"quantize", tiny_model(), "-o", to, "--max_error", "1e-9"}).exit_code, 1);
  EXPECT_EQ(
      tessera({"quantize", tiny_model(), "-o", to, "--calibration", path("nobody.npz")}).exit_code,
      kError);
  EXPECT_FALSE(exists(to));
}

TEST(Inspect, shares_of_cycles_are_all_there) {
  const Json cycles =
      Json::parse(tessera({"inspect", padded_executable(), "--json"}).out)["cycles"];
  int64_t sum = 0;
  for (const char* part : {"compute", "rearrange", "exchange", "sync"})
    sum += cycles[part].get<int64_t>();
  EXPECT_EQ(sum, cycles["total"]);
  const std::string text = tessera({"inspect", padded_executable()}).out;
  EXPECT_THAT(text,
              AllOf(HasSubstr(" cycles ("), HasSubstr("of host I/O"), HasSubstr("rearrange")));
}

TEST(Inspect, a_superstep_has_a_number_too) {
  const std::string file = padded_executable();
  const Json steps = Json::parse(tessera({"inspect", file, "--json"}).out)["supersteps"];
  const std::string name = steps[3]["name"];
  EXPECT_EQ(tessera({"inspect", file, "--superstep", "3"}).out,
            tessera({"inspect", file, "--superstep", name}).out);
  const Result none = tessera({"inspect", file, "--superstep", std::to_string(steps.size())});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err,
              HasSubstr("must be a name or one of 0.." + std::to_string(steps.size() - 1)));
}

TEST(Inspect, what_was_chosen_is_chosen_in_json_too) {
  const std::string file = padded_executable();
  const Json all = Json::parse(tessera({"inspect", file, "--cycles", "--json"}).out);
  const std::string node = all["execution"]["steps"][2]["program"]["origin"][0];
  const Json one = Json::parse(tessera({"inspect", file, "--node", node, "--json"}).out);
  const Json& steps = one["execution"]["steps"];
  EXPECT_GT(steps.size(), 0u);
  EXPECT_LT(steps.size(), all["execution"]["steps"].size());
  for (const Json& step : steps)
    EXPECT_THAT(step["program"]["origin"].get<std::vector<std::string>>(),
                ::testing::Contains(node));
  EXPECT_EQ(one["compilation"]["livenessProgramSteps"].size(), steps.size());
  EXPECT_EQ(tessera({"inspect", file, "--node", "nobody", "--json"}).exit_code, 2);
  const Result text = tessera({"inspect", file, "--program", "--json"});
  EXPECT_EQ(text.exit_code, 2);
  EXPECT_THAT(text.err, HasSubstr("--program: is text"));
}

TEST(Inspect, cycles_roll_up_by_kind_and_by_layer) {
  const Result kinds = tessera({"inspect", padded_executable(), "--kinds"});
  EXPECT_EQ(kinds.exit_code, 0) << kinds.err;
  EXPECT_THAT(kinds.out, AllOf(HasSubstr("codelet"), HasSubstr("matmul"), HasSubstr("100.0%")));
  EXPECT_THAT(tessera({"inspect", padded_executable(), "--layers"}).out,
              HasSubstr("(outside of layers)"));
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

// The completions that bash offers for these words, the last of which is not finished.
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
  EXPECT_EQ(offered("tessera compile --prec"), "--precision --precision_compare\n");
  EXPECT_THAT(offered("tessera run ''"), Not(HasSubstr("--")));
  EXPECT_EQ(offered("tessera help ver"), "verify version\n");
  EXPECT_EQ(offered("tessera recompiles sh"), "show\n");
  EXPECT_THAT(offered("tessera completion ''"), HasSubstr("bash zsh fish"));
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

TEST(Completion, every_shell_knows_every_verb) {
  const std::string bash = tessera({"completion", "bash"}).out;
  const std::string zsh = tessera({"completion", "zsh"}).out;
  const std::string fish = tessera({"completion", "fish"}).out;
  for (const std::string& verb : verbs()) {
    EXPECT_THAT(bash, HasSubstr("\n    " + verb + ") flags="));
    EXPECT_THAT(zsh, HasSubstr("\n    " + verb + ") commands="));
    EXPECT_THAT(fish, HasSubstr(" -a " + verb + " -d "));
  }
}

TEST(Manual, is_a_page_of_every_verb_that_man_reads) {
  const Result manual = tessera({"manual"});
  ASSERT_EQ(manual.exit_code, 0);
  EXPECT_THAT(manual.out, AllOf(HasSubstr(".TH TESSERA 1"), HasSubstr(".SH EXIT STATUS")));
  for (std::string verb : verbs()) {
    for (size_t at = 0; (at = verb.find('-', at)) != std::string::npos; at += 2)
      verb.insert(at, "\\");
    EXPECT_THAT(manual.out, HasSubstr(".SS " + verb + "\n"));
  }
  if (std::system("command -v groff > /dev/null") != 0) return;  // then its text alone is looked at
  write_file(path("tessera.1"), manual.out);
  const std::string warnings = path("groff.err"), page = path("tessera.txt");
  EXPECT_EQ(
      std::system(("groff -man -Tutf8 -ww " + path("tessera.1") + " > " + page + " 2> " + warnings)
                      .c_str()),
      0);
  EXPECT_EQ(read_file(warnings), "");
  EXPECT_THAT(read_file(page), HasSubstr("input_model"));
}

TEST(Help, bare_words_are_not_told_as_a_flag) {
  for (const char* verb : {"pack", "recompiles", "requests"}) {
    const std::string help = tessera({verb, "--help"}).out;
    EXPECT_THAT(help, AllOf(HasSubstr("WORDS"), Not(HasSubstr("--words"))));
  }
}

}  // namespace
}  // namespace tessera::cli
