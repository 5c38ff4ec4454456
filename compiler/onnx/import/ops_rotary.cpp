// SPDX-License-Identifier: Apache-2.0
// ONNX's RotaryEmbedding (opset 23): the numbers of each head, rotated in pairs by the angles of
// their token. Written in the parts that older exporters write, which fuse_rotary finds and packing
// follows to the positions.
#include "compiler/onnx/import/attend.h"
#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

enum RotaryInput : size_t { kX, kCos, kSin, kPositions };

// RotaryEmbedding rotates this many numbers of a head; the others stay.
Expected<int64_t> rotated_depth(Call& call, int64_t depth) {
  const int64_t named = call.attr("rotary_embedding_dim", int64_t{0});
  const int64_t rotated = named == 0 ? depth : named;
  if (rotated >= 2 && rotated <= depth && rotated % 2 == 0) return rotated;
  return call.error("rotary_embedding_dim is " + std::to_string(named) + " for heads of " +
                    std::to_string(depth) +
                    " numbers, must be even and at most as many; 0 rotates all, if they are even");
}

// One number for each pair, as many as there are pairs in x [batch,heads,tokens,…].
Expected<Node*> angles(Call& call, RotaryInput which, const Shape& x, int64_t pairs) {
  Node* table = call.in(which);
  const bool looked_up = call.in(kPositions) != nullptr;
  if (looked_up && table->type.shape.size() == 2)
    table = TRY(call.add(Op::Gather, {table, call.in(kPositions)}, with("axis", int64_t{0})));
  const Shape& shape = table->type.shape;
  const bool fits = table != call.in(which) || !looked_up;
  if (!fits || shape.size() != 3 || (shape[0] != 1 && shape[0] != x[0]) || shape[1] != x[2] ||
      shape[2] != pairs)
    return call.error(
        std::string(which == kCos ? "cos_cache" : "sin_cache") + " is " +
        to_string(call.in(which)->type) +
        (looked_up ? " and position_ids are " + to_string(call.in(kPositions)->type) : "") +
        ", must be [positions, pairs] with position_ids [batch, sequence], or without them "
        "[batch, sequence, pairs], of " +
        std::to_string(pairs) + " pairs and " + std::to_string(x[2]) + " tokens");
  Node* once = TRY(call.reshape(table, {shape[0], 1, shape[1], shape[2]}));
  return call.broadcast(once, {x[0], x[1], x[2], pairs});
}

// `size` numbers of the last axis, from `start` on, `step` apart.
Expected<Node*> numbers(Call& call, Node* x, int64_t start, int64_t step, int64_t size) {
  Shape part = x->type.shape;
  part[3] = size;
  if (part == x->type.shape) return x;
  const Call::Attrs attrs = {
      {"start", Shape{0, 0, 0, start}},
      {"step",  Shape{1, 1, 1, step} },
      {"size",  part                 }
  };
  return call.add(Op::Slice, {x}, attrs);
}

// The first and the second numbers of all pairs, put where they were.
Expected<Node*> joined(Call& call, Node* first, Node* second, bool neighbours) {
  if (!neighbours) return call.add(Op::Concat, {first, second}, with("axis", int64_t{3}));
  Shape shape = first->type.shape;
  Shape single = shape;
  single.push_back(1);
  first = TRY(call.reshape(first, single));
  second = TRY(call.reshape(second, single));
  Node* pairs = TRY(call.add(Op::Concat, {first, second}, with("axis", int64_t{4})));
  shape[3] *= 2;
  return call.reshape(pairs, shape);
}

Expected<Node*> rotated(Call& call, Node* x, int64_t pairs) {
  const bool neighbours = call.attr("interleaved", int64_t{0}) != 0;
  const Shape shape = x->type.shape;
  Node* cos = TRY(angles(call, kCos, shape, pairs));
  Node* sin = TRY(angles(call, kSin, shape, pairs));
  const int64_t step = neighbours ? 2 : 1;
  Node* first = TRY(numbers(call, x, 0, step, pairs));
  Node* second = TRY(numbers(call, x, neighbours ? 1 : pairs, step, pairs));
  const auto product = [&](Node* a, Node* b) { return call.add(Op::Mul, {a, b}); };
  Node* real = TRY(call.add(Op::Sub, {TRY(product(first, cos)), TRY(product(second, sin))}));
  Node* other = TRY(call.add(Op::Add, {TRY(product(second, cos)), TRY(product(first, sin))}));
  return joined(call, real, other, neighbours);
}

}  // namespace

Status rotary_embedding(Call& call) {
  Node* x = TRY(by_heads(call, kX, "num_heads"));
  const int64_t depth = x->type.shape[3];
  const int64_t width = TRY(rotated_depth(call, depth));
  Node* out = TRY(rotated(call, TRY(numbers(call, x, 0, 1, width)), width / 2));
  if (width < depth) {
    Node* rest = TRY(numbers(call, x, width, 1, depth - width));
    out = TRY(call.add(Op::Concat, {out, rest}, with("axis", int64_t{3})));
  }
  if (x != call.in(kX))
    out = TRY(call.reshape(TRY(call.transpose(out, {0, 2, 1, 3})), call.shape(kX)));
  call.bind(0, out);
  return {};
}

}  // namespace tessera::handlers
