// SPDX-License-Identifier: Apache-2.0
// Cycles rolled up: by codelet and by layer, as nodes' names tell it.
#include "cost/profile.h"

#include <gtest/gtest.h>

#include <set>

#include "program/text.h"
#include "tests/helpers/small_program.h"

namespace tessera {
namespace {

// A program of supersteps that come from two places.
Program two_places() {
  Program program = parse_program(kPricedProgram).take();
  for (Superstep& step : program.supersteps) step.origin = {"/pooler/Tanh"};
  program.supersteps[0].origin = {"/encoder/layer.0/Add"};
  return program;
}

TEST(Profile, a_layer_is_the_path_up_to_the_first_number) {
  EXPECT_EQ(layer_of("/encoder/layer.3/attention/self/MatMul_1"), "/encoder/layer.3");
  EXPECT_EQ(layer_of("bert/encoder/layer_11/MatMul"), "bert/encoder/layer_11");
  EXPECT_EQ(layer_of("/layers/0/Add"), "/layers/0");
  EXPECT_EQ(layer_of("/pooler/dense/Gemm"), "");
  EXPECT_EQ(layer_of("MatMul_81"), "");
  EXPECT_EQ(layer_of("/MatMul_81"), "");
  EXPECT_EQ(layer_of(""), "");
}

TEST(Profile, every_roll_up_sums_to_all) {
  const Program program = two_places();
  const ProgramCost cost = program_cost(program);
  const MemoryReport memory = program_memory(program);
  const Profiled is{program, cost, memory};
  const uint64_t all = cycles_of_all(is).total();
  EXPECT_GT(all, 0u);
  for (const auto& lines : {cycles_by_nodes(is), cycles_by_kind(is), cycles_by_layer(is)}) {
    uint64_t sum = 0;
    for (const CycleLine& line : lines) sum += line.total();
    EXPECT_EQ(sum, all);
  }
  std::set<std::string> codelets;
  for (const Superstep& step : program.supersteps) codelets.insert(step.compute.codelet);
  EXPECT_EQ(cycles_by_kind(is).size(), codelets.size());
  const std::vector<CycleLine> layers = cycles_by_layer(is);
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].name, "/encoder/layer.0");
  EXPECT_EQ(layers[0].supersteps, 1);
  EXPECT_EQ(layers[1].name, "(outside of layers)");
}

}  // namespace
}  // namespace tessera
