// SPDX-License-Identifier: Apache-2.0
// Attention with masks at their corners: a query that sees no key, a mask that is never 0, scores
// beside which -10000 is small, NaN and infinities at hidden keys. The wanted numbers are
// ONNX Runtime's, without its optimisations; docs/ir.md has the table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "ir/interpreter.h"
#include "ir/text.h"
#include "passes/pipeline.h"
#include "tests/e2e/everywhere.h"

namespace tessera::e2e {
namespace {

constexpr const char* kAttention =
    R"(graph @f(%q: f32[2,3,4], %k: f32[2,3,4], %v: f32[2,3,4], %mask: i32[2,3]) {
  %q4 = reshape %q {shape=[2,3,2,2]} : f32[2,3,2,2]
  %k4 = reshape %k {shape=[2,3,2,2]} : f32[2,3,2,2]
  %v4 = reshape %v {shape=[2,3,2,2]} : f32[2,3,2,2]
  %qt = transpose %q4 {perm=[0,2,1,3]} : f32[2,2,3,2]
  %kt = transpose %k4 {perm=[0,2,3,1]} : f32[2,2,2,3]
  %vt = transpose %v4 {perm=[0,2,1,3]} : f32[2,2,3,2]
  %half = constant {value=0.5} : f32[2,2,3,3]
  %number = constant {value=NUMBER} : f32[2,2,3,3]
  %s0 = matmul %qt, %kt : f32[2,2,3,3]
  %s = mul %s0, %half : f32[2,2,3,3]
  %m4 = reshape %mask {shape=[2,1,1,3]} : i32[2,1,1,3]
  %me = broadcast %m4 {shape=[2,2,3,3]} : i32[2,2,3,3]
HIDE
  %p = softmax %sm {axis=3} : f32[2,2,3,3]
  %o = matmul %p, %vt : f32[2,2,3,2]
  %ot = transpose %o {perm=[0,2,1,3]} : f32[2,3,2,2]
  %y = reshape %ot {shape=[2,3,4]} : f32[2,3,4]
  return %y
})";
constexpr const char* kAdded = R"(  %mf = cast %me {to="f32"} : f32[2,2,3,3]
  %one = constant {value=1} : f32[2,2,3,3]
  %inverse = sub %one, %mf : f32[2,2,3,3]
  %add = mul %inverse, %number : f32[2,2,3,3]
  %sm = add %s, %add : f32[2,2,3,3])";
constexpr const char* kSelected = R"(  %seen = cast %me {to="bool"} : bool[2,2,3,3]
  %sm = select %seen, %s, %number : f32[2,2,3,3])";

// clang-format off
const std::vector<Values> kQueries = {
    {2.03999996, -2.55999994, 0.419999987, -0.569999993, -0.449999988, -0.219999999,
     -2.01999998, -0.230000004, -0.870000005, 3.31999993, 0.230000004, -0.349999994,
     -0.280000001, -0.670000017, -1.05999994, -0.389999986, 0.479999989, -0.239999995,
     0.959999979, -0.200000003, 0.0199999996, 1.54999995, 0.550000012, -0.50999999},
    {-0.180000007, 0.540000021, 1.94000006, -0.270000011, -0.239999995, 1, -0.889999986,
     -0.289999992, 0.879999995, 0.579999983, 0.0900000036, 0.670000017, -2.82999992,
     1.01999998, -0.959999979, -1.66999996, 0.280000001, 0.699999988, -0.439999998,
     -1.08000004, 0.0299999993, -0.0500000007, 1.40999997, 0.75},
    {0.189999998, 1.11000001, -0.209999993, -0.930000007, 0.579999983, 0.579999983,
     -0.209999993, -0.779999971, 0.230000004, -2.49000001, 0.689999998, 0.49000001,
     -1.63999999, 0.0599999987, -0.959999979, 0.75999999, -2.02999997, -0.910000026,
     0.709999979, 1.15999997, -2.16000009, -0.5, 0.330000013, -0.610000014},
    {1, 1, 0, 0, 0, 0}};
// The answer for the first sequence, which sees two keys.
const Values kSeen = {
    0.323765904, 0.928215504, -0.209999993, -0.876456559, 0.381383181, 0.849915206,
    -0.209999993, -0.788120389, 0.458229095, 0.745483518, -0.209999993, -0.866969943};

struct Hidden {
  const char* name;
  const char* number;
  const char* hide;
  Values unseen;  // of the second sequence, which sees none
};
void PrintTo(const Hidden& hidden, std::ostream* out) { *out << hidden.name; }
const Hidden kHidden[] = {
    {"minus_ten_thousand", "-10000", kAdded,
     {-1.93095875, -0.401204467, -0.227001786, 0.774654984, -2.01236153, -0.562173843,
      0.151763514, 0.143763214, -1.88292766, -0.39802146, 0.0283942651, 0.42278412}},
    {"minus_a_million", "-1e+06", kAdded,
     {-1.92971051, -0.402645171, -0.219509244, 0.771478713, -2.01237893, -0.566087663,
      0.155280679, 0.126378164, -1.88378561, -0.403158963, 0.0125818541, 0.4217574}},
    {"minus_a_billion", "-1e+09", kAdded,
     {-1.94333339, -0.450000048, 0.0266666785, 0.436666638, -1.94333339, -0.450000048,
      0.0266666785, 0.436666638, -1.94333339, -0.450000048, 0.0266666785, 0.436666638}},
    {"the_least_float", "-3.4028235e+38", kAdded,
     {-1.94333339, -0.450000048, 0.0266666785, 0.436666638, -1.94333339, -0.450000048,
      0.0266666785, 0.436666638, -1.94333339, -0.450000048, 0.0266666785, 0.436666638}},
    {"minus_ten_thousand_selected", "-10000", kSelected,
     {-1.94333339, -0.450000048, 0.0266666785, 0.436666638, -1.94333339, -0.450000048,
      0.0266666785, 0.436666638, -1.94333339, -0.450000048, 0.0266666785, 0.436666638}},
    {"the_least_float_selected", "-3.4028235e+38", kSelected,
     {-1.94333339, -0.450000048, 0.0266666785, 0.436666638, -1.94333339, -0.450000048,
      0.0266666785, 0.436666638, -1.94333339, -0.450000048, 0.0266666785, 0.436666638}},
    {"infinity_selected", "-inf", kSelected,
     {kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan}},
};
// clang-format on

// The model after the passes that run by default.
Graph optimized(const Graph& model, bool half, const std::set<std::string>& skip = {}) {
  Graph graph = model.clone();
  PassState state;
  state.options.fp16 = half;
  EXPECT_TRUE(run_passes(graph, state, {}, skip, "").ok());
  return graph;
}

Graph parsed(const std::string& text) {
  Expected<Graph> graph = parse_graph(text);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  return graph.ok() ? graph.take() : Graph();
}

void expect_everywhere(const Graph& graph, const std::vector<Values>& values, const Values& wanted,
                       double near) {
  const std::map<std::string, Array> inputs = inputs_of(graph, values);
  {
    SCOPED_TRACE("interpreter");
    expect_values(interpret(graph, inputs), wanted, near);
  }
  for (const auto& [name, results] : run_everywhere(graph, inputs)) {
    SCOPED_TRACE(name);
    expect_values(results, wanted, near);
  }
}

class NoKeySeen : public ::testing::TestWithParam<Hidden> {};

// With every pass that runs by default: attention is found, and means the same.
TEST_P(NoKeySeen, is_answered_as_the_unfused_graph_is) {
  const std::string text =
      with(with(kAttention, "HIDE", GetParam().hide), "NUMBER", GetParam().number);
  const Graph model = parsed(text);
  Values wanted = kSeen;
  wanted.insert(wanted.end(), GetParam().unseen.begin(), GetParam().unseen.end());
  for (const bool half : {false, true}) {
    SCOPED_TRACE(half ? "f16" : "f32");
    const Graph graph = optimized(model, half);
    EXPECT_THAT(print(graph), testing::HasSubstr("mask=\"keys:-"));
    expect_everywhere(graph, kQueries, wanted, half ? 3e-3 : 2e-5);
  }
  expect_values(interpret(model, inputs_of(model, kQueries)), wanted, 2e-5);
}

INSTANTIATE_TEST_SUITE_P(, NoKeySeen, ::testing::ValuesIn(kHidden),
                         [](const auto& info) { return std::string(info.param.name); });

// A bias of -inf everywhere is not the same as keys that are hidden: it is NaN in any graph.
TEST(CornerGraphs, a_bias_of_infinities_is_nan) {
  const Graph graph = parsed(R"(graph @f(%x: f32[1,2,4], %b: f32[1,1,2,2]) {
    %y = attention %x, %x, %x, %b {heads=2, mask="bias", scale=0} : f32[1,2,4]
    return %y
  })");
  expect_everywhere(graph,
                    {
                        {1, 2, 3, 4, 5, 6, 7, 8},
                        {-kInf, -kInf, 0, 0}
  },
                    {kNan, kNan, kNan, kNan, 3, 4, 5, 6}, 1e-6);
}

// A bias of f32's largest number is finite. The kernel multiplies it by log2 e, which overflows,
// and must not take it for an infinity.
TEST(Masks, may_add_the_largest_float) {
  const Graph graph = parsed(R"(graph @f(%x: f32[1,2,4], %b: f32[1,1,2,2]) {
    %y = attention %x, %x, %x, %b {heads=2, mask="bias", scale=0} : f32[1,2,4]
    return %y
  })");
  constexpr double kMost = 3.4028234663852886e+38;
  expect_everywhere(graph,
                    {
                        {1, 2, 3, 4, 5, 6, 7, 8},
                        {kMost, kMost, 0, kMost}
  },
                    {3, 4, 5, 6, 5, 6, 7, 8}, 1e-6);
}

// --- A mask that hides nothing and everything ---

std::vector<Values> queries_with_mask(Values mask) {
  std::vector<Values> values = kQueries;
  values.back() = std::move(mask);
  return values;
}

// (1 - m/2) · -1e9 is -5e8 or -1e9: the former shows its keys beside the latter, and leaves nothing
// of their scores.
TEST(Masks, that_are_never_0_show_the_keys_that_they_hide_less) {
  const Graph model =
      parsed(with(with(kAttention, "HIDE", R"(  %mf = cast %me {to="f32"} : f32[2,2,3,3]
  %one = constant {value=1} : f32[2,2,3,3]
  %halves = mul %mf, %half : f32[2,2,3,3]
  %inverse = sub %one, %halves : f32[2,2,3,3]
  %add = mul %inverse, %number : f32[2,2,3,3]
  %sm = add %s, %add : f32[2,2,3,3])"),
                  "NUMBER", "-1e+09"));
  const Values first = {0.38499999, 0.845000029, -0.209999993, -0.855000019};
  const Values second = {-1.9000001, -0.219999999, -0.314999998, 0.0749999881};
  Values wanted;
  for (const Values& row : {first, first, first, second, second, second})
    wanted.insert(wanted.end(), row.begin(), row.end());
  const std::vector<Values> values = queries_with_mask({1, 1, 0, 1, 0, 1});
  for (const bool half : {false, true}) {
    SCOPED_TRACE(half ? "f16" : "f32");
    expect_everywhere(optimized(model, half), values, wanted, half ? 2e-3 : 2e-5);
  }
}

// One layer of attention of values with themselves, where -inf hides what stands in a hidden row or
// column.
std::string layer_between(const std::string& in, const std::string& out) {
  return with(with(R"(
  %OUT_heads = reshape %IN {shape=[1,3,2,2]} : f32[1,3,2,2]
  %OUT_q = transpose %OUT_heads {perm=[0,2,1,3]} : f32[1,2,3,2]
  %OUT_k = transpose %OUT_heads {perm=[0,2,3,1]} : f32[1,2,2,3]
  %OUT_s = matmul %OUT_q, %OUT_k : f32[1,2,3,3]
  %OUT_m = select %seen, %OUT_s, %low : f32[1,2,3,3]
  %OUT_p = softmax %OUT_m {axis=3} : f32[1,2,3,3]
  %OUT_o = matmul %OUT_p, %OUT_q : f32[1,2,3,2]
  %OUT_t = transpose %OUT_o {perm=[0,2,1,3]} : f32[1,3,2,2]
  %OUT = reshape %OUT_t {shape=[1,3,4]} : f32[1,3,4])",
                   "IN", in),
              "OUT", out);
}

// The query that sees none is NaN, and 0 times that is NaN in the next layer.
TEST(Masks, of_infinities_over_queries_and_keys_spread_nan) {
  const Graph model = parsed(R"(graph @f(%x: f32[1,3,4], %mask: i32[1,3]) {
  %there = cast %mask {to="bool"} : bool[1,3]
  %k1 = reshape %there {shape=[1,1,1,3]} : bool[1,1,1,3]
  %q1 = reshape %there {shape=[1,1,3,1]} : bool[1,1,3,1]
  %kb = broadcast %k1 {shape=[1,2,3,3]} : bool[1,2,3,3]
  %qb = broadcast %q1 {shape=[1,2,3,3]} : bool[1,2,3,3]
  %seen = and %kb, %qb : bool[1,2,3,3]
  %low = constant {value=-inf} : f32[1,2,3,3])" +
                             layer_between("x", "first") + layer_between("first", "y") +
                             "\n  return %first, %y\n}");
  const std::vector<Values> values = {
      kQueries[0], {1, 1, 0}
  };
  const std::vector<Values> x = {Values(values[0].begin(), values[0].begin() + 12), values[1]};
  for (const bool half : {false, true}) {
    SCOPED_TRACE(half ? "f16" : "f32");
    const Graph graph = optimized(model, half);
    const std::map<std::string, Array> inputs = inputs_of(graph, x);
    auto all = run_everywhere(graph, inputs);
    all.emplace_back("interpreter", interpret(graph, inputs));
    for (const auto& [name, results] : all) {
      SCOPED_TRACE(name);
      ASSERT_TRUE(results.ok()) << results.error().message;
      const Values &first = results->at(0).data, &second = results->at(1).data;
      for (size_t i = 0; i < first.size(); ++i) EXPECT_EQ(std::isnan(first[i]), i >= 8) << i;
      for (const double value : second) EXPECT_TRUE(std::isnan(value)) << value;
    }
  }
}

// Added to a score of hundreds, -1e9 would leave something of it.
TEST(Masks, that_take_the_place_of_scores_leave_nothing_of_them) {
  const Graph model = parsed(with(with(with(kAttention, "HIDE", kSelected), "NUMBER", "-1e+09"),
                                  "value=0.5", "value=500"));
  const Values first = {0.333333333, -0.266666667, 0.09, -0.406666667};
  const Values second = {-1.94333333, -0.45, 0.0266666667, 0.436666667};
  Values wanted;
  for (const Values& row : {first, first, first, second, second, second})
    wanted.insert(wanted.end(), row.begin(), row.end());
  for (const bool half : {false, true}) {
    SCOPED_TRACE(half ? "f16" : "f32");
    expect_everywhere(optimized(model, half), queries_with_mask({0, 0, 0, 0, 0, 0}), wanted,
                      half ? 2e-3 : 2e-5);
  }
}

// --- Scores beside which -10000 is small ---

// Scores are times a million.
const std::string& loud_attention() {
  static const std::string text =
      with(with(with(kAttention, "HIDE", kAdded), "NUMBER", "-10000"), "value=0.5", "value=1e+06");
  return text;
}

TEST(Masks, that_do_not_hide_a_key_beside_its_score_end_the_run_by_name) {
  const Graph model = parsed(loud_attention());
  const std::vector<Values> values = queries_with_mask({1, 1, 0, 1, 0, 1});
  const Graph graph = optimized(model, false);
  EXPECT_THAT(print(graph), testing::HasSubstr("mask=\"keys:-10000\""));
  const std::map<std::string, Array> inputs = inputs_of(graph, values);
  const Results interpreted = interpret(graph, inputs);
  ASSERT_FALSE(interpreted.ok());
  EXPECT_THAT(interpreted.error().message, testing::HasSubstr("does not hide it"));
  for (const auto& [name, results] : run_everywhere(graph, inputs)) {
    SCOPED_TRACE(name);
    ASSERT_FALSE(results.ok());
    EXPECT_THAT(results.error().message,
                testing::AllOf(testing::HasSubstr("is hidden by -10000, but its score for query"),
                               testing::HasSubstr("--skip_passes fuse_attention")));
  }
  const std::vector<Values> all_seen = queries_with_mask({1, 1, 1, 1, 1, 1});
  for (const auto& [name, results] : run_everywhere(graph, inputs_of(graph, all_seen)))
    EXPECT_TRUE(results.ok()) << name << ": " << results.error().message;
}

// A number that f16 does not hold is infinite there, or NaN, and its score may be of any size.
TEST(Masks, in_f16_do_not_hide_what_f16_does_not_hold) {
  const Graph graph =
      optimized(parsed(with(with(kAttention, "HIDE", kAdded), "NUMBER", "-10000")), true);
  for (const double number : {kInf, kNan}) {
    std::vector<Values> values = queries_with_mask({1, 1, 0, 1, 1, 1});
    for (size_t i = 8; i < 12; ++i) values[1][i] = number;
    const std::map<std::string, Array> inputs = inputs_of(graph, values);
    EXPECT_FALSE(interpret(graph, inputs).ok()) << number;
    for (const auto& [name, results] : run_everywhere(graph, inputs)) {
      ASSERT_FALSE(results.ok()) << name << " takes " << number;
      EXPECT_THAT(results.error().message, testing::HasSubstr("more than float16 holds"));
    }
  }
}

// The remedy that the message names: without fuse_attention the number is added as it is.
TEST(Masks, are_added_as_they_are_where_attention_is_not_fused) {
  const Graph graph = optimized(parsed(loud_attention()), false, {"fuse_attention"});
  expect_everywhere(
      graph, queries_with_mask({1, 1, 0, 1, 0, 1}),
      {0.230000004,  -2.49000001,  -0.209999993, -0.930000007, 0.189999998,  1.11000001,
       -0.209999993, -0.779999971, 0.579999983,  0.579999983,  -0.209999993, -0.930000007,
       -1.63999999,  0.0599999987, -0.959999979, 0.75999999,   -2.16000009,  -0.5,
       0.330000013,  -0.610000014, -1.63999999,  0.0599999987, 0.330000013,  -0.610000014},
      2e-5);
}

// --- Numbers that are none, at keys that are hidden ---

// ONNX has NaN here, as 0 times NaN is. A request has no such keys, whatever stands in the cells
// beside it (docs/ir.md).
TEST(Masks, of_keys_leave_out_whatever_a_hidden_key_holds) {
  const Graph model = parsed(with(with(kAttention, "HIDE", kAdded), "NUMBER", "-1e+09"));
  std::vector<Values> values = queries_with_mask({1, 1, 0, 1, 1, 0});
  for (size_t i = 8; i < 12; ++i) {
    values[1][i] = kInf;
    values[2][i] = kNan;
  }
  for (const bool half : {false, true}) {
    SCOPED_TRACE(half ? "f16" : "f32");
    const Graph graph = optimized(model, half);
    const std::map<std::string, Array> inputs = inputs_of(graph, values);
    auto all = run_everywhere(graph, inputs);
    all.emplace_back("interpreter", interpret(graph, inputs));
    for (auto& [name, results] : all) {
      SCOPED_TRACE(name);
      ASSERT_TRUE(results.ok()) << results.error().message;
      results->at(0).data.resize(12);
      expect_values(results, kSeen, half ? 3e-3 : 2e-5);
    }
  }
}

}  // namespace
}  // namespace tessera::e2e
