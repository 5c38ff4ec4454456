// SPDX-License-Identifier: Apache-2.0
#include "passes/match.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "support/check.h"
#include "support/fp8.h"
#include "support/half.h"

namespace tessera {

double element(const Tensor& tensor, int64_t i) {
  const std::byte* data = tensor.bytes().data();
  switch (tensor.type().dtype) {
    case DType::F32: {
      float value;
      std::memcpy(&value, data + i * 4, 4);
      return value;
    }
    case DType::F16: {
      uint16_t bits;
      std::memcpy(&bits, data + i * 2, 2);
      return from_half(bits);
    }
    case DType::I32: {
      int32_t value;
      std::memcpy(&value, data + i * 4, 4);
      return value;
    }
    case DType::Bool: return data[i] != std::byte{0};
    case DType::I8: return static_cast<int8_t>(data[i]);
    case DType::U8: return static_cast<uint8_t>(data[i]);
    case DType::F143:
    case DType::F152: return from_fp8(tensor.type().dtype, static_cast<uint8_t>(data[i]));
  }
  return 0;
}

std::optional<double> uniform_value(const Tensor& tensor) {
  if (!tensor.is_uniform()) return std::nullopt;
  return element(tensor, 0);
}

std::optional<double> splat(const Node* node) {
  for (int i = 0; i < kFarthest; ++i) {
    const bool widens =
        node->is(Op::Cast) && node->type.dtype == DType::F32 && is_float(node->in[0]->type.dtype);
    if (!is_view(node) && !widens) break;
    node = node->in[0];
  }
  if (!node->is(Op::Constant)) return std::nullopt;
  return uniform_value(node->value);
}

bool is_view(const Node* node) {
  return node->is(Op::Broadcast) || node->is(Op::Reshape) || node->is(Op::Transpose);
}

Node* behind_broadcasts(Node* node) {
  for (int i = 0; i < kFarthest && node->is(Op::Broadcast); ++i) node = node->in[0];
  return node;
}

Node* behind_views(Node* node) {
  for (int i = 0; i < kFarthest && (node->is(Op::Broadcast) || node->is(Op::Reshape)); ++i)
    node = node->in[0];
  return node;
}

Node* repeated_vector(Node* node) {
  if (node->type.shape.empty()) return nullptr;
  const int64_t length = node->type.shape.back();
  for (int i = 0; elements(node->type.shape) != length; ++i) {
    if (!node->is(Op::Broadcast) || i == kFarthest) return nullptr;
    node = node->in[0];
    if (node->type.shape.empty() || node->type.shape.back() != length) return nullptr;
  }
  return node;
}

Node* other_operand(const Node* node, const std::function<bool(Node*)>& first) {
  if (node->in.size() != 2) return nullptr;
  if (first(node->in[0])) return node->in[1];
  if (first(node->in[1])) return node->in[0];
  return nullptr;
}

namespace {

// Numbers are multiplied in the order in which they stand: `left` products are still taken apart.
void take_apart(Node* node, const Node* stop, int& left, Factors& product) {
  if (auto number = splat(node)) {
    product.scale *= *number;
    return;
  }
  if (node != stop && node->is(Op::Mul) && left > 0) {
    --left;
    take_apart(node->in[0], stop, left, product);
    take_apart(node->in[1], stop, left, product);
    return;
  }
  if (node != stop && node->is(Op::Div) && left > 0) {
    if (auto number = splat(node->in[1])) {
      --left;
      take_apart(node->in[0], stop, left, product);
      product.scale /= *number;
      return;
    }
  }
  product.factors.push_back(node);
}

}  // namespace

Factors product_of(Node* node, const Node* stop) {
  Factors product;
  int left = kMostProducts;
  take_apart(node, stop, left, product);
  return product;
}

Scaled peel_scale(Node* node) {
  Scaled scaled{1, node};
  for (int i = 0; i < kFarthest; ++i) {
    Node* value = scaled.value;
    if (value->is(Op::Div)) {
      auto number = splat(value->in[1]);
      if (!number) return scaled;
      scaled = {scaled.scale / *number, value->in[0]};
    } else if (value->is(Op::Mul)) {
      std::optional<double> number;
      Node* rest = other_operand(value, [&](Node* in) { return (number = splat(in)).has_value(); });
      if (!rest) return scaled;
      scaled = {scaled.scale * *number, rest};
    } else {
      return scaled;
    }
  }
  return scaled;
}

Expected<Array> eval_as_machine(const Node& node, std::vector<Array> in) {
  if (node.is(Op::Cast) && node.type.dtype == DType::I32) {
    in[0].type.dtype = DType::I32;
    round_to_dtype(in[0]);
  }
  return eval(node, in);
}

bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

bool close(double a, double b, double relative) {
  return std::abs(a - b) <= relative * std::abs(b);
}

UserMap users_of(const Graph& graph) {
  UserMap users;
  for (const auto& node : graph.nodes())
    for (Node* in : node->in) {
      std::vector<Node*>& list = users[in];
      if (list.empty() || list.back() != node.get()) list.push_back(node.get());
    }
  return users;
}

Node* put(Graph& graph, const Node* before, const Node* like, Op op, std::vector<Node*> in,
          std::map<std::string, Attr> attrs) {
  Expected<Node*> node = graph.add(op, "", std::move(in), std::move(attrs), before);
  CHECK(node.ok());
  (*node)->origin = like->origin;
  return *node;
}

Node* put_reshape(Graph& graph, const Node* before, Node* value, const Shape& shape) {
  if (value->type.shape == shape) return value;
  return put(graph, before, value, Op::Reshape,
             {
                 value
  },
             {{"shape", shape}});
}

Node* put_broadcast(Graph& graph, const Node* before, Node* value, const Shape& shape) {
  if (value->type.shape == shape) return value;
  return put(graph, before, value, Op::Broadcast,
             {
                 value
  },
             {{"shape", shape}});
}

Node* put_splat(Graph& graph, const Node* before, DType dtype, double value, const Shape& shape) {
  Node* number = graph.add_constant("",
                                    to_tensor(Array{
                                        {dtype, {}},
                                        {value}
  }),
                                    before);
  return put_broadcast(graph, before, number, shape);
}

std::string called(const Node& node) {
  const std::string& name = node.origin.empty() ? node.name : node.origin.back();
  return "node '" + name + "' (" + std::string(info(node.op).text) + ")";
}

}  // namespace tessera
