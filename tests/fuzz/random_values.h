// SPDX-License-Identifier: Apache-2.0
// A graph that grows, and the values of it that the operands of its next node are drawn from.
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace tessera::fuzz {

class RandomValues {
 public:
  explicit RandomValues(uint32_t seed) : random_(seed), graph_("fuzz") {}

 protected:
  int64_t below(int64_t limit) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(limit));
  }
  Node* any(const std::vector<Node*>& from) {
    return from[static_cast<size_t>(below(static_cast<int64_t>(from.size())))];
  }
  Node* add(Op op, std::vector<Node*> in, std::map<std::string, Attr> attrs = {});
  Node* constant(DType dtype, const Shape& shape, double low, double high);
  // Something of the same type as `like`: a value that has it, or a constant stretched to it.
  Node* partner(Node* like);
  Node* bounded(Node* node);
  Node* above_one(Node* node);
  Node* truth(const Shape& shape);

  std::mt19937 random_;
  Graph graph_;
  std::vector<Node*> values_;    // f32
  std::vector<Node*> integers_;  // i32
  std::vector<Node*> bools_;
};

}  // namespace tessera::fuzz
