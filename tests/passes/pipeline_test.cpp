// SPDX-License-Identifier: Apache-2.0
// The runner: which passes run, what it says of wrong names, what it leaves in the dump folder.
#include "passes/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "ir/text.h"
#include "support/file.h"

namespace tessera {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

constexpr const char* kTwoTransposes =
    "graph @f(%x: f32[2,3]) {\n"
    "  %a = transpose %x {perm=[1,0]} : f32[3,2]\n"
    "  %b = transpose %a {perm=[1,0]} : f32[2,3]\n"
    "  return %b\n"
    "}\n";

Graph two_transposes() { return parse_graph(kTwoTransposes).take(); }

std::vector<std::string> names(const std::vector<PassTiming>& timings) {
  std::vector<std::string> names;
  for (const PassTiming& timing : timings) names.push_back(timing.name);
  return names;
}

TEST(Pipeline, runs_only_what_is_not_optional) {
  Graph graph = two_transposes();
  PassState state;
  const auto timings = run_passes(graph, state, {}, {}, "");
  ASSERT_TRUE(timings.ok());
  for (const Pass& pass : all_passes()) {
    if (pass.runs.is_optional())
      EXPECT_THAT(names(*timings), Not(Contains(pass.name)));
    else
      EXPECT_THAT(names(*timings), Contains(pass.name));
  }
}

// Scores less an age in days; and scores that are an output, with -1e30 where a mask is 1.
constexpr const char* kLargeConstants =
    "graph @f(%scores: f32[2,4], %seconds: f32[2,4], %mask: i32[2,4]) {\n"
    "  %day = constant {value=86400} : f32[2,4]\n"
    "  %age = div %seconds, %day : f32[2,4]\n"
    "  %aged = sub %scores, %age : f32[2,4]\n"
    "  %p = softmax %aged {axis=1} : f32[2,4]\n"
    "  %low = constant {value=-1e+30} : f32[2,4]\n"
    "  %hidden = cast %mask {to=\"f32\"} : f32[2,4]\n"
    "  %hide = mul %hidden, %low : f32[2,4]\n"
    "  %y = add %scores, %hide : f32[2,4]\n"
    "  %q = softmax %y {axis=1} : f32[2,4]\n"
    "  return %p, %y, %q\n"
    "}\n";

TEST(Pipeline, no_constant_changes_in_fp32) {
  Graph graph = parse_graph(kLargeConstants).take();
  PassState state;
  ASSERT_TRUE(run_passes(graph, state, {}, {"replace_div_with_mul"}, "").ok());
  EXPECT_EQ(print(graph), kLargeConstants);
}

// Patterns know no values without elements: 0 heads made one of them write a broken node.
TEST(Pipeline, refuses_a_value_without_elements_before_any_pattern_is_sought) {
  Graph graph = parse_graph(
                    "graph @f(%x: f32[2,0,4]) {\n"
                    "  %e = exp %x : f32[2,0,4]\n"
                    "  %s = reduce_sum %e {axes=[2]} : f32[2,0]\n"
                    "  return %s\n"
                    "}\n")
                    .take();
  PassState state;
  const auto refused = run_passes(graph, state, {}, {"fold_constants", "fuse_gelu"}, "");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message, "x: is f32[2,0,4], must have at least 1 element");
}

TEST(Pipeline, passes_over_what_is_empty_in_a_concat) {
  Graph graph = parse_graph(
                    "graph @f(%x: f32[2,3]) {\n"
                    "  %none = slice %x {size=[0,3], start=[0,0], step=[1,1]} : f32[0,3]\n"
                    "  %e = exp %x : f32[2,3]\n"
                    "  %y = concat %none, %e, %x, %none {axis=0} : f32[4,3]\n"
                    "  return %y\n"
                    "}\n")
                    .take();
  PassState state;
  ASSERT_TRUE(run_passes(graph, state, {}, {}, "").ok());
  EXPECT_EQ(print(graph),
            "graph @f(%x: f32[2,3]) {\n"
            "  %e = exp %x : f32[2,3]\n"
            "  %concat = concat %e, %x {axis=0} : f32[4,3]\n"
            "  return %concat as \"y\"\n"
            "}\n");
}

TEST(Pipeline, runs_an_optional_pass_by_option_and_by_name) {
  for (const bool by_name : {false, true}) {
    Graph graph = two_transposes();
    PassState state;
    state.options.fp16 = !by_name;
    std::set<std::string> add;
    if (by_name) add.insert("lower_precision");
    const auto timings = run_passes(graph, state, add, {}, "");
    ASSERT_TRUE(timings.ok());
    EXPECT_THAT(names(*timings), Contains("lower_precision"));
  }
}

TEST(Pipeline, skips_what_it_is_told_to) {
  Graph graph = two_transposes();
  PassState state;
  ASSERT_TRUE(run_passes(graph, state, {}, {"cancel_transposes", "clean_up"}, "").ok());
  EXPECT_EQ(print(graph), kTwoTransposes);
}

TEST(Pipeline, names_the_nearest_pass) {
  Graph graph = two_transposes();
  PassState state;
  const auto result = run_passes(graph, state, {}, {"insert_atention_mask"}, "");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::Usage);
  EXPECT_EQ(result.error().message,
            "passes: there is no 'insert_atention_mask', the nearest is 'insert_attention_mask'");
}

TEST(Pipeline, refuses_both_forms_of_packing) {
  Graph graph = two_transposes();
  PassState state;
  state.options.packing = PackingForm::A;
  const auto result = run_passes(graph, state, {"insert_attention_mask"}, {}, "");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::Usage);
  EXPECT_EQ(result.error().message,
            "passes: insert_packing and insert_attention_mask are two forms of packing, one at "
            "most can be asked for");
}

TEST(Pipeline, packing_makes_positions_an_input_first) {
  Graph graph = parse_graph(
                    "graph @f(%ids: i32[2,2]) {\n"
                    "  %t = constant {value=[1,2,3]} : f32[3,1]\n"
                    "  %x = gather %t, %ids {axis=0} : f32[2,2,1]\n"
                    "  %at = constant {value=[0,1]} : i32[1,2]\n"
                    "  %p = gather %t, %at {axis=0} : f32[1,2,1]\n"
                    "  %ps = broadcast %p {shape=[2,2,1]} : f32[2,2,1]\n"
                    "  %y = add %x, %ps : f32[2,2,1]\n"
                    "  return %y\n"
                    "}\n")
                    .take();
  PassState state;
  state.options.packing = PackingForm::A;
  state.options.max_valid_num = 4;
  state.options.segment_max_size = 2;
  const auto timings = run_passes(graph, state, {}, {}, "");
  ASSERT_TRUE(timings.ok()) << timings.error().message;
  EXPECT_EQ(state.packing.position_input, "position_ids");
  EXPECT_THAT(state.packing.token_inputs, ElementsAre("ids"));
  EXPECT_EQ(state.packing.mask_input, "");
  EXPECT_EQ(state.packing.unpack_info_input, "unpack_info");
  EXPECT_EQ(state.packing.rows, 2);
  EXPECT_EQ(state.packing.row_length, 2);
}

TEST(Pipeline, dumps_a_numbered_file_after_each_pass_that_changed) {
  const std::string folder = ::testing::TempDir() + "tessera_pass_dump";
  std::filesystem::remove_all(folder);
  Graph graph = two_transposes();
  PassState state;
  ASSERT_TRUE(run_passes(graph, state, {}, {"fold_constants"}, folder).ok());
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    files.push_back(entry.path().filename());
  EXPECT_THAT(files, ElementsAre("09_cancel_transposes.ir"));
  const Expected<std::string> text = read_text_file(folder + "/09_cancel_transposes.ir");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, "graph @f(%x: f32[2,3]) {\n  return %x as \"b\"\n}\n");
}

}  // namespace
}  // namespace tessera
