// SPDX-License-Identifier: Apache-2.0
// Every ONNX node that computes is found in the superstep that does its work, fused or not: so a
// user who looks for a node of the model finds its cycles.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "compiler/onnx/import/import.h"
#include "tests/e2e/build.h"

namespace tessera::e2e {
namespace {

using ::testing::Contains;

// The ops that a BERT computes with, but not those of its mask.
std::map<std::string, Op> computing_nodes(const std::string& model) {
  const std::set<Op> computes = {Op::MatMul, Op::Softmax, Op::Erf,      Op::Sqrt,
                                 Op::Div,    Op::Pow,     Op::ReduceSum};
  std::map<std::string, Op> names;
  const Graph graph =
      import_onnx(
          model,
          {
              {"input_ids",      {4, 16}},
              {"attention_mask", {4, 16}},
              {"token_type_ids", {4, 16}}
  })
          .take()
          .graph;
  for (const auto& node : graph.nodes())
    if (computes.contains(node->op))
      for (const std::string& name : node->origin) names[name] = node->op;
  return names;
}

TEST(Origins, name_every_node_that_a_superstep_computes) {
  const std::map<std::string, Op> model = computing_nodes(tiny_bert());
  ASSERT_EQ(model.size(), 50u);
  const CompileOptions padded = options_for(4, 16, Precision::Fp16);
  for (const auto& [form, options] : {
           std::pair("padded", padded), {"A", form_a(padded, 12, 16)},
             {"B", form_b(padded)}
  }) {
    SCOPED_TRACE(form);
    const auto executable = build(tiny_bert(), options);
    std::set<std::string> named;
    for (const Superstep& step : executable->program.supersteps) {
      const std::set<std::string> once(step.origin.begin(), step.origin.end());
      EXPECT_EQ(once.size(), step.origin.size()) << step.name;
      named.insert(once.begin(), once.end());
    }
    for (const auto& [name, op] : model) EXPECT_THAT(named, Contains(name)) << info(op).text;
  }
}

TEST(Origins, of_attention_are_its_products_and_its_softmax_alone) {
  const std::map<std::string, Op> model = computing_nodes(tiny_bert());
  const auto executable = build(tiny_bert(), options_for(4, 16, Precision::Fp32));
  int attentions = 0;
  for (const Superstep& step : executable->program.supersteps) {
    if (step.compute.codelet != "attention") continue;
    ++attentions;
    std::map<Op, int> ops;
    for (const std::string& name : step.origin)
      if (const auto found = model.find(name); found != model.end()) ++ops[found->second];
    EXPECT_EQ(ops, (std::map<Op, int>{
                       {Op::MatMul,  2},
                       {Op::Softmax, 1},
                       {Op::Div,     1}
    }));
  }
  EXPECT_EQ(attentions, 2);
}

}  // namespace
}  // namespace tessera::e2e
