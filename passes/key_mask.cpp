// SPDX-License-Identifier: Apache-2.0
#include "passes/key_mask.h"

#include <unordered_map>

#include "passes/match.h"

namespace tessera {
namespace {

constexpr int kNoAxis = -1;

// Token ids compared with the padding id are a mask, but no function of a 0 and a 1.
bool asks_for_a_number(const Node* node) {
  if (!node->is(Op::Equal) && !node->is(Op::Less)) return false;
  return node->in[0]->type.dtype == DType::I32 && splat(node->in[0]) != 0.0 &&
         splat(node->in[1]) != 0.0;
}

// Axes of size 1 come and go; the others must stay as they are.
std::optional<std::vector<int>> reshaped(const std::vector<int>& axes, const Shape& from,
                                         const Shape& to) {
  std::vector<int> carried;
  Shape kept, wanted;
  for (size_t d = 0; d < from.size(); ++d) {
    if (from[d] == 1) continue;
    kept.push_back(from[d]);
    carried.push_back(axes[d]);
  }
  std::vector<int> result(to.size(), kNoAxis);
  size_t next = 0;
  for (size_t d = 0; d < to.size(); ++d) {
    if (to[d] == 1) continue;
    wanted.push_back(to[d]);
    if (next < carried.size()) result[d] = carried[next++];
  }
  if (kept != wanted) return std::nullopt;
  return result;
}

// One question's answers so far, by node: a mask may use a part of itself again and again.
class Reader {
 public:
  explicit Reader(const NotMasks& not_masks) : not_masks_(not_masks) {}
  std::optional<KeyFunction> read(Node* node);

 private:
  bool is_source(const Node* node) const;
  std::optional<KeyFunction> through_view(const Node* node);
  std::optional<KeyFunction> through_elementwise(const Node* node);

  const NotMasks& not_masks_;
  std::unordered_map<const Node*, std::optional<KeyFunction>> known_;
  int left_ = kMostMaskNodes;
};

// A mask input holds 0 and 1 by contract; any bool does by type. Ids and positions do not.
bool Reader::is_source(const Node* node) const {
  const bool two_valued =
      node->type.dtype == DType::Bool ||
      (node->type.dtype == DType::I32 && node->is(Op::Input) && !not_masks_.contains(node));
  return two_valued && node->type.shape.size() == 2;
}

std::optional<KeyFunction> Reader::through_view(const Node* node) {
  std::optional<KeyFunction> f = read(node->in[0]);
  if (!f) return std::nullopt;
  const Shape& from = node->in[0]->type.shape;
  const Shape& to = node->type.shape;
  std::vector<int> axes(to.size(), kNoAxis);
  if (node->is(Op::Reshape)) {
    auto moved = reshaped(f->axes, from, to);
    if (!moved) return std::nullopt;
    axes = *moved;
  } else if (node->is(Op::Transpose)) {
    for (size_t d = 0; d < to.size(); ++d) axes[d] = f->axes[node->ints("perm")[d]];
  } else {
    const size_t added = to.size() - from.size();
    for (size_t d = 0; d < from.size(); ++d) axes[added + d] = f->axes[d];
  }
  f->axes = axes;
  return f;
}

std::optional<KeyFunction> Reader::through_elementwise(const Node* node) {
  std::optional<KeyFunction> f;
  std::vector<Array> in;
  for (Node* operand : node->in) {
    const TensorType pair{operand->type.dtype, {2}};
    if (const std::optional<double> number = splat(operand)) {
      in.push_back({
          pair, {*number, *number}
      });
      continue;
    }
    const std::optional<KeyFunction> part = read(operand);
    if (!part || (f && (f->source != part->source || f->axes != part->axes))) return std::nullopt;
    f = part;
    in.push_back({
        pair, {part->at[0], part->at[1]}
    });
  }
  if (!f) return std::nullopt;
  Node probe = *node;
  probe.type.shape = {2};
  Expected<Array> result = eval(probe, in);
  if (!result) return std::nullopt;
  result->type = probe.type;
  round_to_dtype(*result);
  f->at = {result->data[0], result->data[1]};
  return f;
}

std::optional<KeyFunction> itself(Node* source) {
  KeyFunction f{
      source, {0, 1},
       {0, 1}
  };
  for (size_t d = 0; d < 2; ++d)
    if (source->type.shape[d] == 1) f.axes[d] = kNoAxis;
  return f;
}

std::optional<KeyFunction> Reader::read(Node* node) {
  if (const auto found = known_.find(node); found != known_.end()) return found->second;
  if (left_-- <= 0) return std::nullopt;
  std::optional<KeyFunction> f;
  if (is_view(node))
    f = through_view(node);
  else if (info(node->op).elementwise && !asks_for_a_number(node))
    f = through_elementwise(node);
  if (!f && is_source(node)) f = itself(node);
  known_[node] = f;
  return f;
}

}  // namespace

std::optional<KeyFunction> key_function(Node* node, const NotMasks& not_masks) {
  return Reader(not_masks).read(node);
}

std::optional<KeyFunction> key_function_of_scores(Node* node, const NotMasks& not_masks) {
  const Shape& shape = node->type.shape;
  std::optional<KeyFunction> f = shape.size() == 4 ? key_function(node, not_masks) : std::nullopt;
  if (!f) return std::nullopt;
  const Shape& source = f->source->type.shape;
  const std::vector<int> wanted = {source[0] == 1 ? kNoAxis : 0, kNoAxis, kNoAxis,
                                   source[1] == 1 ? kNoAxis : 1};
  if (f->axes != wanted || shape[3] != source[1] || (source[0] != 1 && shape[0] != source[0]))
    return std::nullopt;
  return f;
}

}  // namespace tessera
