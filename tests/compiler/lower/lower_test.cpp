// SPDX-License-Identifier: Apache-2.0
// Graphs become Programs that verify, on four tiles and on many.
#include "compiler/lower/lower.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "codelets/codelet.h"
#include "cost/cost.h"
#include "cost/host_io.h"
#include "ir/text.h"
#include "program/boxes.h"
#include "program/text.h"
#include "program/verify.h"
#include "tests/compiler/lower/stories.h"
#include "tests/helpers/golden.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

LowerOptions options_for(const std::string& target) { return {.target = *target_preset(target)}; }

Graph graph(const std::string& text) {
  Expected<Graph> parsed = parse_graph(text);
  EXPECT_TRUE(parsed.ok()) << parsed.error().message;
  return parsed.take();
}

Program program_of(const std::string& text, const LowerOptions& options = options_for("test")) {
  Expected<Lowered> lowered = lower(graph(text), options);
  EXPECT_TRUE(lowered.ok()) << lowered.error().message;
  const Status sound = verify_program(lowered->program, check_compute_set);
  EXPECT_TRUE(sound.ok()) << sound.error().message;
  return std::move(lowered->program);
}

std::vector<std::string> codelets_of(const Program& program) {
  std::vector<std::string> names;
  for (const Superstep& step : program.supersteps) names.push_back(step.compute.codelet);
  return names;
}

class LowerOps : public ::testing::TestWithParam<Story> {};

TEST_P(LowerOps, verify_on_four_tiles_and_on_many) {
  program_of(GetParam().text, options_for("test"));
  program_of(GetParam().text, options_for("c600"));
}

TEST_P(LowerOps, give_the_same_program_every_time) {
  EXPECT_EQ(print(program_of(GetParam().text)), print(program_of(GetParam().text)));
}

TEST_P(LowerOps, give_the_program_that_is_written_down) {
  check_text_golden("compiler/lower/programs/" + GetParam().name + ".txt",
                    print(program_of(GetParam().text)));
}

INSTANTIATE_TEST_SUITE_P(, LowerOps, ::testing::ValuesIn(read_stories()),
                         [](const auto& info) { return info.param.name; });

TEST(Lower, every_op_is_in_a_story) {
  std::set<Op> seen;
  for (const Story& story : read_stories()) {
    const Graph g = graph(story.text);
    for (const auto& node : g.nodes()) seen.insert(node->op);
  }
#define OP(id, ...) EXPECT_TRUE(seen.contains(Op::id)) << #id;
#include "ir/ops.def"
#undef OP
}

TEST(Lower, reshapes_and_slices_cost_nothing) {
  const Program program = program_of(R"(graph @f(%x: f32[4,6]) {
    %e = exp %x : f32[4,6]
    %r = reshape %e {shape=[2,2,6]} : f32[2,2,6]
    %s = slice %r {start=[0,0,0],step=[1,1,1],size=[2,1,6]} : f32[2,1,6]
    %t = reshape %s {shape=[2,6]} : f32[2,6]
    %o = tanh %t : f32[2,6]
    return %o
  })");
  EXPECT_THAT(codelets_of(program), ElementsAre("elementwise", "elementwise"));
}

TEST(Lower, merged_projections_are_read_where_they_lie) {
  const Program program = program_of(R"(graph @f(%x: f32[2,6,8], %w: f32[8,24]) {
    %p = matmul %x, %w : f32[2,6,24]
    %q = slice %p {start=[0,0,0],step=[1,1,1],size=[2,6,8]} : f32[2,6,8]
    %k = slice %p {start=[0,0,8],step=[1,1,1],size=[2,6,8]} : f32[2,6,8]
    %v = slice %p {start=[0,0,16],step=[1,1,1],size=[2,6,8]} : f32[2,6,8]
    %n = attention %q, %k, %v {heads=2,scale=0.5,mask="none"} : f32[2,6,8]
    return %n
  })");
  EXPECT_THAT(codelets_of(program), ElementsAre("matmul", "attention"));
}

TEST(Lower, what_lies_on_its_tile_is_not_sent) {
  const Program program = program_of(R"(graph @f(%x: f32[8,16], %g: f32[16]) {
    %n = layer_norm %x, %g, %g {eps=0.1} : f32[8,16]
    %s = softmax %n {axis=1} : f32[8,16]
    return %s
  })");
  EXPECT_TRUE(program.supersteps[1].exchange.empty());
}

TEST(Lower, elementwise_work_stays_where_its_operand_is) {
  const Program program = program_of(R"(graph @f(%x: f32[8,16], %g: f32[16]) {
    %n = layer_norm %x, %g, %g {eps=0.1} : f32[8,16]
    %e = exp %n : f32[8,16]
    return %e
  })");
  EXPECT_TRUE(program.supersteps[1].exchange.empty());
}

TEST(Lower, anchors_keep_the_names_and_the_order_of_the_model) {
  const Program program = program_of(R"(graph @f(%b: f32[4], %a: f32[4]) {
    %s = add %a, %b : f32[4]
    %t = sub %a, %b : f32[4]
    return %t as "difference", %s as "sum"
  })");
  const auto name = [&](VariableId id) { return program.variables[static_cast<size_t>(id)].name; };
  EXPECT_EQ(name(program.inputs[0]), "b");
  EXPECT_EQ(name(program.inputs[1]), "a");
  EXPECT_EQ(name(program.outputs[0]), "difference");
  EXPECT_EQ(name(program.outputs[1]), "sum");
  EXPECT_EQ(program.supersteps.size(), 2u);
}

TEST(Lower, an_output_in_another_shape_needs_no_copy) {
  const Program program = program_of(R"(graph @f(%x: f32[4,3]) {
    %e = exp %x : f32[4,3]
    %r = reshape %e {shape=[12]} : f32[12]
    return %r as "flat"
  })");
  ASSERT_EQ(program.supersteps.size(), 1u);
  EXPECT_THAT(program.variables[static_cast<size_t>(program.outputs[0])].shape, ElementsAre(12));
}

TEST(Lower, an_input_that_nothing_uses_is_an_anchor_all_the_same) {
  const Program program = program_of(R"(graph @f(%x: f32[4], %unused: i32[2]) {
    %e = exp %x : f32[4]
    return %e
  })");
  EXPECT_EQ(program.inputs.size(), 2u);
}

TEST(Lower, a_long_sum_is_cut_and_its_epilogue_waits_for_the_whole) {
  const Program program = program_of(R"(graph @f(%x: f16[2,8192], %w: f16[8192,16], %b: f16[16]) {
    %m = matmul %x, %w : f16[2,16]
    %bb = broadcast %b {shape=[2,16]} : f16[2,16]
    %a = add %m, %bb : f16[2,16]
    %t = tanh %a : f16[2,16]
    return %t
  })",
                                     options_for("c600"));
  ASSERT_THAT(codelets_of(program), ElementsAre("matmul", "reduce_partials"));
  const auto activation = [&](size_t step) {
    return param(program.supersteps[step].compute.params, "activation");
  };
  EXPECT_EQ(activation(0), 0);
  EXPECT_EQ(activation(1), 4);
}

// Products leave columns in sixteens, and what is stretched over them does not change that.
TEST(Lower, a_mask_over_scores_does_not_put_them_in_rows_for_softmax) {
  const Program program = program_of(R"(graph @f(%x: f16[64,64], %w: f16[64,64], %m: f16[1,64]) {
    %s = matmul %x, %w : f16[64,64]
    %e = exp %s : f16[64,64]
    %b = broadcast %m {shape=[64,64]} : f16[64,64]
    %a = add %b, %e : f16[64,64]
    %p = softmax %a {axis=1} : f16[64,64]
    return %p
  })");
  const std::vector<SuperstepCost> steps = program_cost(program).steps;
  ASSERT_EQ(program.supersteps.back().compute.codelet, "softmax");
  EXPECT_GT(steps.back().rearrange.value, 587u);
  const int64_t share = 64 * 64 * 2 / program.target.tiles;  // of the copy, while it lasts
  EXPECT_EQ(program_memory(program).fullest_by_superstep.back().temporaries, share);
}

// More tiles may cost as much as a superstep does before it does anything, and the planner's
// tolerance of 3 %, and no more.
TEST(Lower, parts_of_the_rows_receive_the_weights_once) {
  const auto graph = parse_graph(R"(graph @f(%x: f16[4096,768], %w: f16[768,3072]) {
    %m = matmul %x, %w : f16[4096,3072]
    return %m
  })");
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  LowerOptions options = options_for("c600");
  options.available_memory_proportion = 0.06;
  const auto lowered = lower(*graph, options);
  ASSERT_TRUE(lowered.ok()) << lowered.error().message;
  const Program& program = lowered->program;
  std::vector<SuperstepCost> products;
  for (const Superstep& step : program.supersteps)
    if (step.compute.codelet == "matmul") products.push_back(superstep_cost(program, step));
  ASSERT_GT(products.size(), 1u);
  EXPECT_LT(products[1].exchange_bytes, products[0].exchange_bytes);
  EXPECT_LT(products[1].exchange, products[0].exchange);
}

TEST(Lower, streams_that_the_tiles_only_cast_travel_as_halves) {
  const auto bytes = [](const std::string& more) {
    return stream_bytes(program_of("graph @f(%x: f32[64,64], %w: f16[64,64]) {" + more +
                                   "%h = cast %x {to=\"f16\"} : f16[64,64]"
                                   "%m = matmul %h, %w : f16[64,64]"
                                   "%y = cast %m {to=\"f32\"} : f32[64,64]"
                                   "return %y" +
                                   (more.empty() ? "}" : ", %e }")));
  };
  EXPECT_EQ(bytes(""), 3 * 64 * 64 * 2);
  // A value that f32 computes with otherwise stays as well: x, beside a result of its own.
  EXPECT_EQ(bytes("%e = exp %x : f32[64,64] "), 64 * 64 * (4 + 2 + 2 + 4));
}

TEST(Lower, more_tiles_are_never_slower_beyond_their_syncs) {
  constexpr const char* kLayer = R"(graph @f(%x: f16[1024,768], %w: f16[768,3072],
      %v: f16[3072,768], %b: f16[3072], %g: f16[768], %h: f16[768]) {
    %m = matmul %x, %w : f16[1024,3072]
    %bb = broadcast %b {shape=[1024,3072]} : f16[1024,3072]
    %a = add %m, %bb : f16[1024,3072]
    %e = gelu %a {form="erf"} : f16[1024,3072]
    %o = matmul %e, %v : f16[1024,768]
    %n = layer_norm %o, %g, %h {eps=1e-05} : f16[1024,768]
    return %n
  })";
  uint64_t before = UINT64_MAX / 2;
  for (int64_t tiles : {46, 92, 184, 368, 736, 1472}) {
    LowerOptions options = options_for("c600");
    options.target.tiles = tiles;
    options.target.bytes_per_tile = 64 << 20;
    const Program program = program_of(kLayer, options);
    const auto syncs =
        static_cast<uint64_t>(std::ssize(program.supersteps) *
                              (options.target.sync_cycles + options.target.setup_cycles));
    const uint64_t total = program_cost(program).total.value;
    EXPECT_LE(total, before + before * 3 / 100 + syncs) << tiles;
    before = total;
  }
}

TEST(Lower, parts_of_a_sum_are_halves_only_where_asked_for) {
  const std::string text = R"(graph @f(%x: f16[2,8192], %w: f16[8192,16]) {
    %m = matmul %x, %w : f16[2,16]
    return %m
  })";
  const auto partials = [&](bool half) {
    LowerOptions options = options_for("c600");
    options.half_partials = half;
    const Program program = program_of(text, options);
    const VariableId id = program.supersteps[0].compute.operands.back().region.variable;
    return program.variables[static_cast<size_t>(id)].dtype;
  };
  EXPECT_EQ(partials(false), DType::F32);
  EXPECT_EQ(partials(true), DType::F16);
}

TEST(Lower, equal_layers_have_equal_exchanges) {
  const Program program = program_of(R"(graph @f(%x: f32[64,64]) {
    %w0 = constant {value=0.5} : f32[64,64]
    %w1 = constant {value=0.25} : f32[64,64]
    %m0 = matmul %x, %w0 : f32[64,64]
    %m1 = matmul %m0, %w1 : f32[64,64]
    %m2 = matmul %m1, %w1 : f32[64,64]
    return %m2
  })",
                                     options_for("c600"));
  const auto mapping = [&](const std::string& name) {
    const auto named = [&](const Variable& variable) { return variable.name == name; };
    return std::ranges::find_if(program.variables, named)->mapping;
  };
  EXPECT_EQ(mapping("w0"), mapping("w1"));
}

TEST(Lower, indices_that_may_be_negative_are_wrapped_first) {
  const Program program = program_of(R"(graph @f(%t: f32[3,8], %i: i32[6], %j: i32[6]) {
    %d = sub %i, %j : i32[6]
    %g = gather %t, %d {axis=0} : f32[6,8]
    %h = gather %t, %i {axis=0} : f32[6,8]
    return %g, %h
  })");
  EXPECT_THAT(codelets_of(program), ElementsAre("elementwise", "elementwise", "gather", "gather"));
}

TEST(Lower, index_limits_are_those_of_the_smallest_table) {
  const Graph g = graph(R"(graph @f(%t: f32[30,8], %u: f32[20,8], %i: i32[2,3], %j: i32[4]) {
    %r = reshape %i {shape=[6]} : i32[6]
    %g = gather %t, %r {axis=0} : f32[6,8]
    %h = gather %u, %i {axis=0} : f32[2,3,8]
    %k = add %j, %j : i32[4]
    %l = gather %u, %k {axis=0} : f32[4,8]
    return %g, %h, %l
  })");
  EXPECT_THAT(index_limits(g), ElementsAre(std::pair("i", 20)));
}

TEST(Lower, names_of_supersteps_are_those_of_nodes) {
  const Program program = program_of(R"(graph @f(%x: f32[4,6]) {
    %"layer0/exp" = exp %x : f32[4,6]
    %o = softmax %"layer0/exp" {axis=0} : f32[4,6]
    return %o
  })");
  EXPECT_EQ(program.supersteps[0].name, "layer0/exp");
  std::set<std::string> names;
  for (const Superstep& step : program.supersteps) EXPECT_TRUE(names.insert(step.name).second);
}

std::string error_of(const std::string& text) {
  const Expected<Lowered> lowered = lower(graph(text), options_for("test"));
  return lowered.ok() ? "no error" : lowered.error().message;
}

TEST(Lower, a_value_without_elements_is_refused_by_name) {
  EXPECT_EQ(error_of("graph @f(%x: f32[0,3]) { %e = exp %x : f32[0,3] return %e }"),
            "x: is f32[0,3], must have at least 1 element");
  EXPECT_EQ(error_of(R"(graph @f(%x: f32[2,3]) {
    %none = slice %x {start=[0,0],step=[1,1],size=[0,3]} : f32[0,3]
    %s = reduce_sum %none {axes=[0]} : f32[3]
    return %s
  })"),
            "none: is f32[0,3], must have at least 1 element");
}

TEST(Lower, a_concat_passes_over_what_is_empty) {
  const Program program = program_of(R"(graph @f(%x: f32[2,3]) {
    %none = slice %x {start=[0,0],step=[1,1],size=[0,3]} : f32[0,3]
    %c = concat %x, %none, %x {axis=0} : f32[4,3]
    return %c
  })");
  EXPECT_EQ(program.supersteps[0].compute.operands.size(), 3u);
}

TEST(Lower, a_constant_without_data_is_refused_by_name) {
  EXPECT_THAT(error_of(R"(graph @f(%x: f32[2]) {
    %w = constant {elided="00"} : f32[2]
    %s = add %x, %w : f32[2]
    return %s
  })"),
              HasSubstr("w: constant has no data"));
}

// One column of 4,096 tokens lies on 1,366 tiles; each vertex of the unpack reads all of it.
TEST(Lower, a_narrow_tensor_is_brought_together_before_it_is_unpacked) {
  const std::string text =
      "graph @f(%x: f32[16,256,1], %info: i32[40,1]) {\n"
      "  %t = tanh %x : f32[16,256,1]\n"
      "  %y = unpack %t, %info {segment_max_size=256} : f32[40,256,1]\n"
      "  return %y\n}\n";
  const Program program = program_of(text, options_for("c600"));
  for (const Superstep& step : program.supersteps) {
    if (step.compute.codelet != "unpack") continue;
    const VariableId tokens = step.compute.operands[0].region.variable;
    EXPECT_LE(block_count(program.variables[static_cast<size_t>(tokens)].mapping), 32);
    return;
  }
  ADD_FAILURE() << "no unpack";
}

}  // namespace
}  // namespace tessera
