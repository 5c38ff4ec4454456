// SPDX-License-Identifier: Apache-2.0
// Random graphs: what is printed reads back, passes keep the meaning, and the machine computes what
// the interpreter does. A failure prints the seed and the graph, ready to paste as a golden.
#include <gtest/gtest.h>

#include <cmath>

#include "ir/interpreter.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/pipeline.h"
#include "tests/fuzz/random_graph.h"
#include "tests/helpers/on_machine.h"

namespace tessera {
namespace {

constexpr uint32_t kSeeds = 100;
constexpr int kNodes = 14;

void expect_close(const std::vector<Array>& got, const std::vector<Array>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].type, want[i].type);
    for (size_t j = 0; j < got[i].data.size(); ++j) {
      const double limit =
          got[i].type.dtype == DType::F32 ? tolerance * (1 + std::abs(want[i].data[j])) : 0;
      ASSERT_LE(std::abs(got[i].data[j] - want[i].data[j]), limit)
          << "output " << i << " at " << j << ": " << got[i].data[j] << " in place of "
          << want[i].data[j];
    }
  }
}

struct Case {
  explicit Case(uint32_t seed)
      : seed(seed),
        graph(fuzz::random_graph(seed, kNodes)),
        inputs(fuzz::random_inputs(graph, seed)),
        text(print(graph, {.max_values = 1 << 20})) {}
  std::string where() const { return "seed " + std::to_string(seed) + "\n" + text; }

  uint32_t seed;
  Graph graph;
  std::map<std::string, Array> inputs;
  std::string text;
};

TEST(RandomGraph, reads_back_as_it_was_printed) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    const Case one(seed);
    const auto parsed = parse_graph(one.text);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message << "\n" << one.where();
    ASSERT_EQ(print(*parsed, {.max_values = 1 << 20}), one.text);
  }
}

TEST(RandomGraph, means_the_same_after_the_passes) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    Case one(seed);
    SCOPED_TRACE(one.where());
    const auto before = interpret(one.graph, one.inputs);
    ASSERT_TRUE(before.ok()) << before.error().message;
    PassState state;
    const auto run = run_passes(one.graph, state, {}, {}, "");
    ASSERT_TRUE(run.ok()) << run.error().message;
    const auto after = interpret(one.graph, one.inputs);
    ASSERT_TRUE(after.ok()) << after.error().message;
    expect_close(*after, *before, 1e-5);
    if (HasFatalFailure()) return;
  }
}

TEST(RandomGraph, computes_on_tiles_what_the_interpreter_does) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    const Case one(seed);
    SCOPED_TRACE(one.where());
    const auto want = interpret(one.graph, one.inputs);
    ASSERT_TRUE(want.ok()) << want.error().message;
    MachineOptions options;
    options.threads = 1;
    const auto got = e2e::run_on_machine(one.graph, one.inputs, *target_preset("test"), options);
    ASSERT_TRUE(got.ok()) << got.error().message;
    expect_close(*got, *want, 1e-4);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace tessera
