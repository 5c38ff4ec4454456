// SPDX-License-Identifier: Apache-2.0
#include "tests/ir/run.h"

#include "ir/interpreter.h"
#include "ir/text.h"

namespace tessera {
namespace {

Expected<std::vector<Array>> interpret_text(const std::string& text,
                                            const std::vector<Values>& inputs) {
  const Graph graph = parsed(text);
  EXPECT_EQ(graph.inputs.size(), inputs.size());
  std::map<std::string, Array> given;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Node& input = *graph.inputs.at(i);
    given[input.name] = Array{input.type, inputs[i]};
  }
  return interpret(graph, given);
}

}  // namespace

Graph parsed(const std::string& text) {
  Expected<Graph> graph = parse_graph(text);
  EXPECT_TRUE(graph.ok()) << graph.error().message << "\n" << text;
  return graph.ok() ? graph.take() : Graph();
}

std::vector<Array> run_all(const std::string& text, const std::vector<Values>& inputs) {
  Expected<std::vector<Array>> results = interpret_text(text, inputs);
  EXPECT_TRUE(results.ok()) << results.error().message << "\n" << text;
  return results.ok() ? results.take() : std::vector<Array>(1);
}

Values run(const std::string& text, const std::vector<Values>& inputs) {
  return run_all(text, inputs).at(0).data;
}

std::string run_error(const std::string& text, const std::vector<Values>& inputs) {
  const Expected<std::vector<Array>> results = interpret_text(text, inputs);
  EXPECT_FALSE(results.ok()) << text;
  return results.ok() ? "" : results.error().message;
}

std::string parse_error(const std::string& text) {
  const Expected<Graph> graph = parse_graph(text);
  EXPECT_FALSE(graph.ok()) << text;
  return graph.ok() ? "" : graph.error().message;
}

::testing::Matcher<Values> near(const Values& wanted, double tolerance) {
  std::vector<::testing::Matcher<double>> each;
  for (double value : wanted) each.push_back(::testing::NanSensitiveDoubleNear(value, tolerance));
  return ::testing::ElementsAreArray(each);
}

}  // namespace tessera
