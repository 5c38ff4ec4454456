// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/random_values.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

namespace tessera::fuzz {

Node* RandomValues::add(Op op, std::vector<Node*> in, std::map<std::string, Attr> attrs) {
  auto node = graph_.add(op, "", std::move(in), std::move(attrs));
  EXPECT_TRUE(node.ok()) << node.error().message;
  return node.ok() ? *node : values_.front();
}

Node* RandomValues::constant(DType dtype, const Shape& shape, double low, double high) {
  Array array{
      {dtype, shape},
      std::vector<double>(static_cast<size_t>(elements(shape)))
  };
  std::uniform_real_distribution<double> draw(low, high);
  for (double& value : array.data)
    value = dtype == DType::I32 ? std::floor(draw(random_)) : draw(random_);
  return graph_.add_constant("", to_tensor(array));
}

Node* RandomValues::partner(Node* like) {
  const std::vector<Node*>& pool = like->type.dtype == DType::I32 ? integers_ : values_;
  std::vector<Node*> same;
  for (Node* node : pool)
    if (node->type == like->type) same.push_back(node);
  if (below(2) && !same.empty()) return any(same);
  Shape narrow = like->type.shape;
  for (int64_t& dim : narrow)
    if (below(2)) dim = 1;
  Node* small = constant(like->type.dtype, narrow, -2, 3);
  return add(Op::Broadcast,
             {
                 small
  },
             {{"shape", like->type.shape}});
}

Node* RandomValues::bounded(Node* node) { return add(Op::Tanh, {node}); }

Node* RandomValues::above_one(Node* node) {
  Node* one = add(Op::Broadcast,
                  {
                      constant(DType::F32, {},
                       1, 1.5)
  },
                  {{"shape", node->type.shape}});
  return add(Op::Add, {add(Op::Abs, {node}), one});
}

Node* RandomValues::truth(const Shape& shape) {
  std::vector<Node*> same;
  for (Node* node : bools_)
    if (node->type.shape == shape) same.push_back(node);
  if (below(2) && !same.empty()) return any(same);
  return add(Op::Less, {constant(DType::I32, shape, -5, 5), constant(DType::I32, shape, -5, 5)});
}

}  // namespace tessera::fuzz
