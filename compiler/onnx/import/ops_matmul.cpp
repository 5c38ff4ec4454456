// SPDX-License-Identifier: Apache-2.0
// ONNX's products of matrices, each as one matmul of the Graph between transposes and reshapes.
#include <algorithm>
#include <numeric>

#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

Shape leading(const Node* x) { return {x->type.shape.begin(), x->type.shape.end() - 2}; }

Expected<Node*> scaled(Call& call, Node* x, double factor) {
  if (factor == 1) return x;
  return call.add(Op::Mul, {x, TRY(call.like(x, factor))});
}

}  // namespace

Status align_matrices(Call& call, Node*& a, Node*& b) {
  if (elements(leading(b)) == 1) {
    const Shape& shape = b->type.shape;
    const int64_t added = static_cast<int64_t>(shape.size() - a->type.shape.size());
    if (added > 0) {  // the result has the longer of the two
      Shape wider = a->type.shape;
      wider.insert(wider.begin(), static_cast<size_t>(added), 1);
      a = TRY(call.reshape(a, wider));
    }
    b = TRY(call.reshape(b, {shape.end()[-2], shape.back()}));
    return {};
  }
  Shape common = leading(a), other = leading(b);
  if (common.size() < other.size()) common.swap(other);
  for (size_t i = 0; i < other.size(); ++i) {
    int64_t& dim = common[common.size() - other.size() + i];
    if (dim != 1 && other[i] != 1 && dim != other[i])
      return call.error("inputs are " + to_string(a->type) + " and " + to_string(b->type) +
                        ", whose leading axes must broadcast");
    if (dim == 1) dim = other[i];
  }
  for (Node** x : {&a, &b}) {
    Shape shape = common;
    shape.insert(shape.end(), (*x)->type.shape.end() - 2, (*x)->type.shape.end());
    *x = TRY(call.broadcast(*x, shape));
  }
  return {};
}

Expected<Node*> transposed(Call& call, Node* x) {
  std::vector<int64_t> perm(x->type.shape.size());
  if (perm.size() < 2)
    return call.error("input is " + to_string(x->type) + ", must have at least 2 axes");
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm.end()[-1], perm.end()[-2]);
  return call.transpose(x, perm);
}

Expected<Node*> multiply(Call& call, Node* a, Node* b) {
  const size_t a_rank = a->type.shape.size(), b_rank = b->type.shape.size();
  if (a_rank == 0 || b_rank == 0)
    return call.error("inputs are " + to_string(a->type) + " and " + to_string(b->type) +
                      ", each must have at least 1 axis");
  if (a_rank == 1) a = TRY(call.reshape(a, {1, a->type.shape[0]}));
  if (b_rank == 1) b = TRY(call.reshape(b, {b->type.shape[0], 1}));
  TRY(align_matrices(call, a, b));
  Node* product = TRY(call.add(Op::MatMul, {a, b}));
  Shape shape = product->type.shape;
  if (b_rank == 1) shape.pop_back();
  if (a_rank == 1) shape.erase(shape.end() - (b_rank == 1 ? 1 : 2));
  return call.reshape(product, shape);
}

Status matmul(Call& call) {
  const Shape& a = call.shape(0);
  const Shape& b = call.shape(1);
  const bool plain = a.size() >= 2 && b.size() >= 2 &&
                     (b.size() == 2 || leading(call.in(0)) == leading(call.in(1)));
  if (plain) return call.result(Op::MatMul, {call.in(0), call.in(1)});
  call.bind(0, TRY(multiply(call, call.in(0), call.in(1))));
  return {};
}

namespace {

// alpha A B + beta C
Expected<Node*> gemm_value(Call& call) {
  if (call.rank(0) != 2 || call.rank(1) != 2)
    return call.error("inputs are " + to_string(call.in(0)->type) + " and " +
                      to_string(call.in(1)->type) + ", must be matrices");
  Node* a = call.attr("transA", int64_t{0}) ? TRY(transposed(call, call.in(0))) : call.in(0);
  Node* b = call.attr("transB", int64_t{0}) ? TRY(transposed(call, call.in(1))) : call.in(1);
  Node* out = TRY(scaled(call, TRY(call.add(Op::MatMul, {a, b})), call.attr("alpha", 1.0)));
  if (!call.in(2)) return out;
  Node* bias = TRY(scaled(call, call.in(2), call.attr("beta", 1.0)));
  return call.add(Op::Add, {out, TRY(call.broadcast(bias, out->type.shape))});
}

}  // namespace

Status gemm(Call& call) {
  call.bind(0, TRY(gemm_value(call)));
  return {};
}

Status fused_gemm(Call& call) {
  const std::string activation = call.attr("activation", "");
  Node* out = TRY(gemm_value(call));
  if (activation.empty()) {
    call.bind(0, out);
    return {};
  }
  if (activation == "Tanh") return call.result(Op::Tanh, {out});
  if (activation == "Relu") return call.result(Op::Max, {out, TRY(call.like(out, 0))});
  if (activation == "LeakyRelu") {
    Node* low = TRY(call.add(Op::Less, {out, TRY(call.like(out, 0))}));
    Node* bent = TRY(scaled(call, out, call.attr("activation_alpha", double{0.01f})));
    return call.result(Op::Select, {low, bent, out});
  }
  if (activation != "Sigmoid")
    return call.error("activation is '" + activation +
                      "', must be 'LeakyRelu', 'Relu', 'Sigmoid' or 'Tanh'");
  Node* power = TRY(call.add(Op::Exp, {TRY(scaled(call, out, -1))}));
  Node* one = TRY(call.like(out, 1));
  return call.result(Op::Div, {one, TRY(call.add(Op::Add, {power, one}))});
}

namespace {

// With transBatch, rows stand on the first axis, before those of the batch; with trans, rows and
// columns change places after that.
Expected<Node*> transposed_as(Call& call, size_t i, const char* trans, const char* trans_batch) {
  Node* x = call.in(i);
  const int64_t rank = call.rank(i);
  if (rank > 2 && call.attr(trans_batch, int64_t{0})) {
    std::vector<int64_t> perm(static_cast<size_t>(rank));
    std::iota(perm.begin(), perm.end(), 0);
    std::rotate(perm.begin(), perm.begin() + 1, perm.end() - 1);
    x = TRY(call.transpose(x, perm));
  }
  return rank > 1 && call.attr(trans, int64_t{0}) ? transposed(call, x) : Expected<Node*>(x);
}

}  // namespace

Status fused_matmul(Call& call) {
  Node* a = TRY(transposed_as(call, 0, "transA", "transBatchA"));
  Node* b = TRY(transposed_as(call, 1, "transB", "transBatchB"));
  call.bind(0, TRY(scaled(call, TRY(multiply(call, a, b)), call.attr("alpha", 1.0))));
  return {};
}

}  // namespace tessera::handlers
