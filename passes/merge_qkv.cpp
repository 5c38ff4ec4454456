// SPDX-License-Identifier: Apache-2.0
// The three linear maps into one attention become one matmul, of which q, k and v are slices.
//
// They read the same tokens: as one, the tokens are exchanged once and the tiles see one matmul
// three times as wide. The slices cost nothing, as attention reads the merged value where it is.
// Queries and keys may be rotated by their positions between the two: then their slices are
// rotated, as one of twice as many heads where their angles are the same.
#include <cstring>
#include <map>
#include <optional>
#include <ranges>

#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {
namespace {

// tokens · weight + bias, seen through reshapes that keep the last axis.
struct Linear {
  Node* product = nullptr;
  Node* tokens = nullptr;
  Node* weight = nullptr;  // a constant [inner,outer]
  Node* bias = nullptr;    // a constant of [outer] elements, or null
};

Node* behind_row_reshapes(Node* node) {
  for (int i = 0; i < kFarthest; ++i) {
    const bool keeps = node->is(Op::Reshape) && !node->type.shape.empty() &&
                       !node->in[0]->type.shape.empty() &&
                       node->in[0]->type.shape.back() == node->type.shape.back();
    if (!keeps) break;
    node = node->in[0];
  }
  return node;
}

Node* behind_rotary(Node* node) { return node->is(Op::Rotary) ? node->in[0] : node; }

std::optional<Linear> match_linear(Node* node) {
  Linear linear;
  node = behind_row_reshapes(node);
  if (node->is(Op::Add)) {
    Node* sum = other_operand(node, [&](Node* in) {
      linear.bias = repeated_vector(in);
      return linear.bias && linear.bias->is(Op::Constant) && linear.bias->value.has_data();
    });
    if (!sum) return std::nullopt;
    node = behind_row_reshapes(sum);
  }
  if (!node->is(Op::MatMul)) return std::nullopt;
  linear.product = node;
  linear.tokens = node->in[0];
  linear.weight = node->in[1];
  if (!linear.weight->is(Op::Constant) || linear.weight->type.shape.size() != 2 ||
      !linear.weight->value.has_data())
    return std::nullopt;
  return linear;
}

// The parts side by side along the last axis: rows of each in turn.
Tensor beside(const std::vector<Tensor>& parts, const Shape& shape) {
  const TensorType type{parts[0].type().dtype, shape};
  const int64_t rows = elements(shape) / shape.back();
  std::vector<std::byte> bytes;
  bytes.reserve(type.bytes());
  for (int64_t row = 0; row < rows; ++row)
    for (const Tensor& part : parts) {
      const size_t size = part.bytes().size() / rows;
      const std::span from = part.bytes().subspan(row * size, size);
      bytes.insert(bytes.end(), from.begin(), from.end());
    }
  return Tensor::copy(type, bytes);
}

Tensor zeros(DType dtype, int64_t count) {
  const TensorType type{dtype, {count}};
  return Tensor::copy(type, std::vector<std::byte>(type.bytes()));
}

// Layers that share their weights share the merged ones too.
class Merged {
 public:
  explicit Merged(Graph& graph) : graph_(graph) {
    for (const auto& node : graph.nodes())
      if (node->is(Op::Constant)) room_ += kCopies * node->type.bytes();
  }

  // Weights merge once each, but for a model that mixes a few in ever new triples.
  bool has_room(const std::vector<Linear>& maps) {
    for (const Linear& map : maps)
      room_ -=
          map.weight->type.bytes() + map.weight->type.shape[1] * size_of(map.weight->type.dtype);
    return room_ >= 0;
  }

  Node* weight(const std::vector<Linear>& maps, const Shape& shape) {
    std::vector<const Node*> key;
    std::vector<Tensor> parts;
    for (const Linear& map : maps) {
      key.push_back(map.weight);
      parts.push_back(map.weight->value);
    }
    return constant(key, parts, shape);
  }

  // Null where no map has one.
  Node* bias(const std::vector<Linear>& maps, int64_t width) {
    std::vector<const Node*> key;
    std::vector<Tensor> parts;
    bool any = false;
    for (const Linear& map : maps) {
      key.push_back(map.bias);
      any |= map.bias != nullptr;
      parts.push_back(map.bias ? map.bias->value
                               : zeros(map.weight->type.dtype, map.weight->type.shape[1]));
    }
    return any ? constant(key, parts, {width}) : nullptr;
  }

 private:
  // Before everything else, so that whatever layer asks next finds it above.
  Node* constant(const std::vector<const Node*>& key, const std::vector<Tensor>& parts,
                 const Shape& shape) {
    Node*& made = made_[key];
    if (made) return made;
    return made = graph_.add_constant("", beside(parts, shape), graph_.first_inside());
  }

  static constexpr int64_t kCopies = 4;
  Graph& graph_;
  int64_t room_ = int64_t{1} << 26;
  std::map<std::vector<const Node*>, Node*> made_;
};

Node* put_slice(Graph& graph, const Node* before, Node* value, int64_t start, int64_t size) {
  Shape starts(value->type.shape.size(), 0), sizes = value->type.shape;
  starts.back() = start;
  sizes.back() = size;
  return put(graph, before, value, Op::Slice,
             {
                 value
  },
             {{"start", starts}, {"step", Shape(starts.size(), 1)}, {"size", sizes}});
}

// A part of the merged value, rotated as `like` is.
Node* put_rotated(Graph& graph, const Node* before, Node* part, const Node* like, int64_t heads) {
  std::map<std::string, Attr> attrs = like->attrs;
  attrs["heads"] = heads;
  return put(graph, before, like, Op::Rotary, {part, like->in[1], like->in[2]}, std::move(attrs));
}

// Whether queries and keys are rotated alike, and are as wide.
bool rotate_alike(const Node* q, const Node* k) {
  return q->is(Op::Rotary) && k->is(Op::Rotary) && q->type == k->type && q->in[1] == k->in[1] &&
         q->in[2] == k->in[2] && q->attrs == k->attrs;
}

void merge(Graph& graph, Node* attention, const std::vector<Linear>& maps, Merged& merged) {
  Node* tokens = maps[0].tokens;
  int64_t width = 0;
  for (const Linear& map : maps) width += map.weight->type.shape[1];
  Node* weight = merged.weight(maps, {tokens->type.shape.back(), width});
  Node* value = put(graph, attention, maps.back().product, Op::MatMul, {tokens, weight});
  for (const Linear& map : maps | std::views::reverse)
    if (map.product != maps.back().product)
      value->origin.insert(value->origin.begin(), map.product->origin.begin(),
                           map.product->origin.end());
  if (Node* bias = merged.bias(maps, width)) {
    Node* stretched = put_broadcast(graph, attention, bias, value->type.shape);
    value = put(graph, attention, value, Op::Add, {value, stretched});
  }
  Shape shape = attention->type.shape;
  shape.back() = width;
  value = put_reshape(graph, attention, value, shape);
  Node *q = attention->in[0], *k = attention->in[1];
  Node* rotated = nullptr;
  const int64_t width_of_q = q->type.shape.back();
  if (rotate_alike(q, k))
    rotated = put_rotated(graph, attention, put_slice(graph, attention, value, 0, 2 * width_of_q),
                          q, 2 * q->int_attr("heads"));
  for (int64_t i = 0, at = 0; i < 3; ++i) {
    const int64_t size = maps[i].weight->type.shape[1];
    const Node* was = attention->in[i];
    Node* part = put_slice(graph, attention, rotated && i < 2 ? rotated : value, at, size);
    if (!rotated && was->is(Op::Rotary))
      part = put_rotated(graph, attention, part, was, was->int_attr("heads"));
    graph.set_operand(attention, i, part);
    at += size;
  }
}

}  // namespace

Expected<bool> merge_qkv(Graph& graph, PassState&) {
  bool changed = false;
  Merged merged(graph);
  for (const auto& owned : graph.nodes()) {
    Node* attention = owned.get();
    if (!attention->is(Op::Attention)) continue;
    std::vector<Linear> maps;
    for (int i = 0; i < 3; ++i)
      if (auto linear = match_linear(behind_rotary(attention->in[i]))) maps.push_back(*linear);
    const bool same = maps.size() == 3 && maps[1].tokens == maps[0].tokens &&
                      maps[2].tokens == maps[0].tokens &&
                      attention->in[1]->type == attention->in[0]->type;
    if (!same || !merged.has_room(maps)) continue;
    merge(graph, attention, maps, merged);
    changed = true;
  }
  return changed;
}

}  // namespace tessera
