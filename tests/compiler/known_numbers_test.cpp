// SPDX-License-Identifier: Apache-2.0
#include "compiler/known_numbers.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

Node* add(Graph& graph, Op op, std::vector<Node*> in, std::map<std::string, Attr> attrs = {}) {
  return graph.add(op, "", std::move(in), std::move(attrs)).take();
}

bool are_scores(const Graph& graph, const Node* node) {
  return scores_of_softmax(graph, users_of(graph)).contains(node);
}

TEST(ScoresOfSoftmax, are_what_a_softmax_along_the_last_axis_alone_is_made_of) {
  Graph graph;
  Node* x = graph.add_input("x", {
                                     DType::F32, {4, 8}
  });
  Node* sum = add(graph, Op::Add, {x, x});
  Node* weights = add(graph, Op::Softmax,
                      {
                          sum
  },
                      {{"axis", int64_t{1}}});
  graph.outputs.push_back({"weights", weights});
  EXPECT_TRUE(are_scores(graph, sum));
  EXPECT_TRUE(are_scores(graph, x));
  EXPECT_FALSE(are_scores(graph, weights)) << "an output";
  graph.outputs.push_back({"sum", sum});
  EXPECT_FALSE(are_scores(graph, sum)) << "an output too";
  EXPECT_FALSE(are_scores(graph, x));
}

TEST(ScoresOfSoftmax, are_not_those_of_a_softmax_along_another_axis) {
  Graph graph;
  Node* x = graph.add_input("x", {
                                     DType::F32, {4, 8}
  });
  Node* sum = add(graph, Op::Add, {x, x});
  graph.outputs.push_back({
      "y", add(graph, Op::Softmax, {sum                 },
         {{"axis", int64_t{0}}}
         )
  });
  EXPECT_FALSE(are_scores(graph, sum));
}

// Two ways from each layer to the next: 2^50,000 from the first to the softmax.
TEST(ScoresOfSoftmax, are_found_in_a_deep_graph_of_shared_sums) {
  Graph graph;
  Node* x = graph.add_input("x", {
                                     DType::F32, {2, 2}
  });
  Node* sum = add(graph, Op::Add, {x, x});
  for (int layer = 0; layer < 50'000; ++layer) {
    Node* one = add(graph, Op::Add, {sum, x});
    sum = add(graph, Op::Add, {one, add(graph, Op::Add, {sum, x})});
  }
  graph.outputs.push_back({
      "y", add(graph, Op::Softmax, {sum                 },
         {{"axis", int64_t{1}}}
         )
  });
  EXPECT_TRUE(are_scores(graph, x));
}

}  // namespace
}  // namespace tessera
