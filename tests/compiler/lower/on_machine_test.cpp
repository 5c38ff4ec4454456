// SPDX-License-Identifier: Apache-2.0
// Every story of ops.ir computes what the interpreter does, on four tiles that see nothing of
// each other but what the exchange brings.
#include "tests/helpers/on_machine.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "compiler/lower/lower.h"
#include "ir/interpreter.h"
#include "ir/text.h"
#include "tests/compiler/lower/stories.h"

namespace tessera {
namespace {

// Integers are small enough to be lengths, and to number the rows of any table here.
Array random_array(const TensorType& type, std::mt19937& random) {
  Array array{type, {}};
  for (int64_t i = 0; i < elements(type.shape); ++i) {
    const double uniform = static_cast<double>(random()) / 4294967296.0;
    const bool whole = !is_float(type.dtype);
    array.data.push_back(whole ? std::floor(uniform * (type.dtype == DType::Bool ? 2 : 3))
                               : 4 * uniform - 2);
  }
  round_to_dtype(array);
  return array;
}

// The largest difference, relative where the numbers are large; NaN is equal to NaN.
double difference(const Array& a, const Array& b) {
  double worst = 0;
  for (size_t i = 0; i < a.data.size(); ++i) {
    const double x = a.data[i], y = b.data[i];
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    worst = std::max(worst, std::abs(x - y) / (1 + std::abs(y)));
  }
  return worst;
}

std::map<std::string, Array> random_inputs(const Graph& graph, uint32_t seed) {
  std::mt19937 random(seed);
  std::map<std::string, Array> inputs;
  for (const Node* input : graph.inputs) inputs[input->name] = random_array(input->type, random);
  return inputs;
}

class LowerOpsOnMachine : public ::testing::TestWithParam<Story> {};

TEST_P(LowerOpsOnMachine, compute_what_the_interpreter_does) {
  Expected<Graph> graph = parse_graph(GetParam().text);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const std::map<std::string, Array> inputs = random_inputs(*graph, 7);
  const auto wanted = interpret(*graph, inputs);
  ASSERT_TRUE(wanted.ok()) << wanted.error().message;

  MachineOptions options;
  options.kind = MachineKind::Isolated;
  options.threads = 1;
  const auto got = e2e::run_on_machine(*graph, inputs, *target_preset("test"), options);
  ASSERT_TRUE(got.ok()) << got.error().message;
  const bool half = std::ranges::any_of(
      graph->nodes(), [](const auto& node) { return node->type.dtype == DType::F16; });
  for (size_t i = 0; i < wanted->size(); ++i) {
    EXPECT_LE(difference((*got)[i], (*wanted)[i]), half ? 2e-2 : 3e-5) << "output " << i;
  }
}

constexpr TensorSplit kTensorSplits[] = {TensorSplit::Columns, TensorSplit::Rows,
                                         TensorSplit::LeastSent};

// Equal numbers; NaN is equal to NaN.
bool same(const std::vector<Array>& a, const std::vector<Array>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t k = 0; k < a[i].data.size(); ++k) {
      const double x = a[i].data[k], y = b[i].data[k];
      const bool equal = x == y && std::signbit(x) == std::signbit(y);
      if (!equal && !(std::isnan(x) && std::isnan(y))) return false;
    }
  return a.size() == b.size();
}

TEST_P(LowerOpsOnMachine, compute_the_same_on_all_ipus_together) {
  Expected<Graph> graph = parse_graph(GetParam().text);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  const std::map<std::string, Array> inputs = random_inputs(*graph, 7);
  const auto one = e2e::run_on_machine(*graph, inputs, *target_preset("test"));
  ASSERT_TRUE(one.ok()) << one.error().message;
  MachineOptions options;
  options.kind = MachineKind::Isolated;
  options.threads = 1;
  for (const char* several : {"testx2", "testx4"})
    for (const TensorSplit split : kTensorSplits) {
      const auto got =
          e2e::run_on_machine(*graph, inputs, *target_preset(several), options, 0.6, split);
      ASSERT_TRUE(got.ok()) << got.error().message;
      EXPECT_TRUE(same(*got, *one)) << several << ", split " << static_cast<int>(split);
    }
}

INSTANTIATE_TEST_SUITE_P(, LowerOpsOnMachine, ::testing::ValuesIn(read_stories()),
                         [](const auto& info) { return info.param.name; });

// By rows, or by terms of the sums, as the memory of a tile asks.
struct Turns {
  bool rows = false, terms = false;
};
Turns turns_of(const Graph& graph, double proportion) {
  LowerOptions options{.target = *target_preset("test")};
  options.available_memory_proportion = proportion;
  const Expected<Lowered> lowered = lower(graph, options);
  EXPECT_TRUE(lowered.ok());
  std::map<std::string, int> products;
  Turns turns;
  for (const Superstep& step : lowered->program.supersteps) {
    if (step.compute.codelet != "matmul") continue;
    const bool terms = step.name.find("/sum") != std::string::npos;
    turns.terms |= terms;
    turns.rows |= !terms && ++products["m"] > 1;
  }
  return turns;
}

TEST(LowerOnMachine, a_matmul_in_turns_has_the_sums_of_one_at_once) {
  for (const std::string dtype : {"f32", "f16"}) {
    const auto t = [&](const char* shape) { return dtype + shape; };
    Expected<Graph> graph = parse_graph(
        "graph @f(%x: " + t("[96,1024]") + ", %w: " + t("[1024,64]") + ", %b: " + t("[64]") +
        ", %r: " + t("[96,64]") + ") { %m = matmul %x, %w : " + t("[96,64]") +
        " %c = broadcast %b {shape=[96,64]} : " + t("[96,64]") +
        " %s = add %m, %c : " + t("[96,64]") + " %g = gelu %s {form=\"erf\"} : " + t("[96,64]") +
        " %y = add %g, %r : " + t("[96,64]") + " return %y }");
    ASSERT_TRUE(graph.ok()) << graph.error().message;
    const std::map<std::string, Array> inputs = random_inputs(*graph, 11);
    const auto at_once = e2e::run_on_machine(*graph, inputs, *target_preset("test"), {});
    ASSERT_TRUE(at_once.ok()) << at_once.error().message;
    Turns seen;
    for (const double bytes : {20e3, 40e3, 60e3, 80e3, 120e3, 160e3, 240e3, 320e3}) {
      const Target target = *target_preset("test");
      const double share = bytes / static_cast<double>(target.bytes_per_tile);
      const Turns turns = turns_of(*graph, share);
      seen = {seen.rows || turns.rows, seen.terms || turns.terms};
      const auto in_turns = e2e::run_on_machine(*graph, inputs, target, {}, share);
      ASSERT_TRUE(in_turns.ok()) << in_turns.error().message;
      const double worst = difference((*in_turns)[0], (*at_once)[0]);
      EXPECT_LE(worst, dtype == "f16" ? 6e-2 : 0) << bytes;  // halves of sums up to 40
    }
    EXPECT_TRUE(seen.rows) << dtype;
    EXPECT_EQ(seen.terms, dtype == "f16");  // floats: only where their sums are cut at all
  }
}

// Whether all IPUs do a product together or one does, and however small the share of a tile is.
TEST(LowerOnMachine, a_matmul_of_several_ipus_has_the_sums_of_one) {
  for (const std::string dtype : {"f32", "f16"}) {
    const auto t = [&](const char* shape) { return dtype + shape; };
    Expected<Graph> graph =
        parse_graph("graph @f(%x: " + t("[96,1024]") + ", %w: " + t("[1024,64]") +
                    ") { %m = matmul %x, %w : " + t("[96,64]") + " return %m }");
    ASSERT_TRUE(graph.ok()) << graph.error().message;
    const std::map<std::string, Array> inputs = random_inputs(*graph, 13);
    for (const double bytes : {20e3, 60e3, 120e3, 300e3}) {
      const Target one = *target_preset("test"), four = *target_preset("testx4");
      const double share = bytes / static_cast<double>(one.bytes_per_tile);
      const auto wanted = e2e::run_on_machine(*graph, inputs, one, {}, share);
      ASSERT_TRUE(wanted.ok()) << wanted.error().message;
      for (const TensorSplit split : kTensorSplits) {
        const auto got = e2e::run_on_machine(*graph, inputs, four, {}, share, split);
        ASSERT_TRUE(got.ok()) << got.error().message;
        EXPECT_TRUE(same(*got, *wanted))
            << dtype << ", " << bytes << " bytes, split " << static_cast<int>(split);
      }
    }
  }
}

}  // namespace
}  // namespace tessera
