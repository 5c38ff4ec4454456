// SPDX-License-Identifier: Apache-2.0
// Values that are known now are computed now, and operations that change nothing go.
//
// A broadcast of a constant stays: it costs nothing where an elementwise codelet reads it, and as
// a constant it would fill the tiles. For the same reason nothing is folded that is larger than
// what it is made from, a few kilobytes apart. The reference interpreter does the computing, so
// the meaning cannot differ.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {
namespace {

constexpr int64_t kSmall = 4096;

// The work that one run of the pass may do, by the constants that the graph has: a model folds each
// a few times at most. The machine computes what is left over then.
class Allowance {
 public:
  explicit Allowance(const Graph& graph) {
    for (const auto& node : graph.nodes()) {
      if (!node->is(Op::Constant)) continue;
      steps_ += kStepsEach * elements(node->type.shape);
      bytes_ += kBytesEach * node->type.bytes();
    }
  }
  bool take(int64_t steps, int64_t bytes) {
    if (steps > steps_ || bytes > bytes_) return false;
    steps_ -= steps;
    bytes_ -= bytes;
    return true;
  }

 private:
  static constexpr int64_t kStepsEach = 64, kBytesEach = 4;  // for each of a constant's
  int64_t steps_ = int64_t{1} << 27, bytes_ = int64_t{1} << 28;
};

bool takes_everything(const Node* slice) {
  const auto is = [](const std::vector<int64_t>& values, int64_t all) {
    return std::ranges::all_of(values, [&](int64_t value) { return value == all; });
  };
  return slice->type == slice->in[0]->type && is(slice->ints("start"), 0) &&
         is(slice->ints("step"), 1);
}

// A product's sum begins at +0, so that it is never -0; the others have no negative value.
bool is_never_negative_zero(const Node* node) {
  for (int i = 0; i < kFarthest && is_view(node); ++i) node = node->in[0];
  return is_float_matmul(node) || node->is(Op::Softmax) || node->is(Op::Exp) || node->is(Op::Abs) ||
         (node->is(Op::Cast) && !is_float(node->in[0]->type.dtype));
}

// Whether the sign of a zero is gone in what this makes of it.
bool drops_sign_of_zero(const Node* node) {
  return node->is(Op::Add) || node->is(Op::Sub) || node->is(Op::LayerNorm) ||
         node->is(Op::RmsNorm) || node->is(Op::Attention) || node->is(Op::Log) ||
         !is_float(node->type.dtype) || is_never_negative_zero(node);
}

// Whether the sign of a zero may be seen: 1 / -0 is -inf, and an output shows it.
bool shows_sign_of_zero(Graph& graph, Node* node) {
  constexpr size_t kMostSeen = 32;
  std::vector<Node*> seen{node};
  for (size_t i = 0; i < seen.size(); ++i) {
    if (i == kMostSeen || graph.is_output(seen[i])) return true;
    for (Node* user : graph.users(seen[i])) {
      const bool divides = (user->is(Op::Div) && user->in[1] == seen[i]) ||
                           (user->is(Op::Pow) && splat(user->in[1]).value_or(-1) < 0);
      if (divides) return true;
      if (!drops_sign_of_zero(user) && !std::ranges::count(seen, user)) seen.push_back(user);
    }
  }
  return false;
}

// x of x + 0, which is x but for x = -0.
Node* without_zero(Graph& graph, Node* node) {
  Node* x = other_operand(node, [](Node* in) { return splat(in) == 0.0; });
  if (!x || !is_float(node->type.dtype) || is_never_negative_zero(x)) return x;
  const Node* zero = x == node->in[0] ? node->in[1] : node->in[0];
  return std::signbit(*splat(zero)) || !shows_sign_of_zero(graph, node) ? x : nullptr;
}

bool is_positive_zero(std::optional<double> number) {
  return number == 0.0 && !std::signbit(*number);
}

// The operand that this node equals, or null.
Node* same_as(Graph& graph, Node* node) {
  Node* first = node->in.empty() ? nullptr : node->in[0];
  if (node->is(Op::Reshape) || node->is(Op::Broadcast) || node->is(Op::Cast))
    return node->type == first->type ? first : nullptr;
  if (node->is(Op::Transpose)) return std::ranges::is_sorted(node->ints("perm")) ? first : nullptr;
  if (node->is(Op::Slice)) return takes_everything(node) ? first : nullptr;
  if (node->is(Op::Concat)) return node->in.size() == 1 ? first : nullptr;
  if (node->is(Op::Add)) return without_zero(graph, node);
  if (node->is(Op::Sub)) return is_positive_zero(splat(node->in[1])) ? first : nullptr;
  if (node->is(Op::Mul)) return other_operand(node, [](Node* in) { return splat(in) == 1.0; });
  if (node->is(Op::Div)) return splat(node->in[1]) == 1.0 ? first : nullptr;
  return nullptr;
}

// A constant, or broadcasts of one.
const Node* constant_source(const Node* node) {
  for (int i = 0; i < kFarthest && node->is(Op::Broadcast); ++i) node = node->in[0];
  return node->is(Op::Constant) && node->value.has_data() ? node : nullptr;
}

Expected<Array> value_of(const Node* node) {
  if (node->is(Op::Constant)) return to_array(node->value);
  const Array source = TRY(value_of(node->in[0]));
  return eval(*node, {&source, 1});
}

// Numbers that eval reads and writes, or multiplies. Quadratic ops are not part of what is constant
// in a model that anybody exported, so theirs is only a bound.
int64_t steps_of(const Node* node) {
  int64_t steps = elements(node->type.shape);
  for (const Node* in : node->in) steps += elements(in->type.shape);
  if (is_float_matmul(node))
    return steps + elements(node->type.shape) *
                       std::min(kMaxElements / steps, node->in[0]->type.shape.back());
  if (node->is(Op::Attention)) return kMaxElements;
  return steps;
}

bool worth_folding(const Node* node, bool folds_all, Allowance& allowance) {
  if (node->in.empty() || node->is(Op::Broadcast)) return false;
  // Weights that are stored in 8 bits stay so.
  if (node->is(Op::ScaledCast) && is_fp8(node->in[0]->type.dtype) && !folds_all) return false;
  std::set<const Node*> sources;
  for (const Node* in : node->in) {
    sources.insert(constant_source(in));
    if (sources.contains(nullptr)) return false;
  }
  int64_t bytes = 0, size = 0, stretched = 0;
  for (const Node* source : sources) {
    bytes += source->type.bytes();
    size += elements(source->type.shape);
  }
  for (const Node* in : node->in) stretched += elements(in->type.shape);
  // An operand is held as it is stretched while its node is computed.
  constexpr int64_t kStretch = 16, kSmallOperands = int64_t{1} << 20;
  const bool stays_small = node->type.bytes() <= std::max(bytes, kSmall) &&
                           stretched <= std::max(kStretch * size, kSmallOperands);
  return (folds_all || stays_small) && allowance.take(steps_of(node), node->type.bytes());
}

// Null where a value is at fault (an index out of range): it is for the run to say so.
Node* folded(Graph& graph, const Node* node) {
  if (node->is(Op::Reshape) && node->in[0]->is(Op::Constant)) {
    const Tensor& value = node->in[0]->value;
    return graph.add_constant(node->name, Tensor::copy(node->type, value.bytes()), node);
  }
  std::vector<Array> in;
  for (const Node* operand : node->in) {
    Expected<Array> value = value_of(operand);
    if (!value) return nullptr;
    in.push_back(value.take());
  }
  Expected<Array> result = eval_as_machine(*node, std::move(in));
  if (!result) return nullptr;
  result->type = node->type;
  return graph.add_constant(node->name, to_tensor(*result), node);
}

// One number everywhere in, one number everywhere out.
Node* folded_splat(Graph& graph, const Node* node) {
  const bool elementwise = info(node->op).elementwise;
  // A lookup of one number gives it at any index that the table has.
  if (const auto number = node->is(Op::Gather) ? splat(node->in[0]) : std::nullopt)
    return put_splat(graph, node, node->type.dtype, *number, node->type.shape);
  const bool moves = is_view(node) || node->is(Op::Slice);
  if (node->in.empty() || !(elementwise || moves) || elements(node->type.shape) == 0)
    return nullptr;
  if (node->is(Op::Broadcast) && node->in[0]->is(Op::Constant)) return nullptr;
  std::vector<Array> in;
  for (const Node* operand : node->in) {
    const std::optional<double> number = splat(operand);
    if (!number) return nullptr;
    in.push_back({
        {operand->type.dtype, {}},
        {*number}
    });
  }
  if (moves) return put_splat(graph, node, node->type.dtype, in[0].data[0], node->type.shape);
  Node scalar = *node;
  scalar.type.shape = {};
  Expected<Array> result = eval(scalar, in);
  if (!result) return nullptr;
  result->type = scalar.type;
  round_to_dtype(*result);
  return put_splat(graph, node, node->type.dtype, result->data[0], node->type.shape);
}

// A reduction of no elements, or a product of no terms, is one number.
Node* folded_empty(Graph& graph, const Node* node) {
  const bool sums = node->is(Op::ReduceSum) || is_float_matmul(node);
  if (!sums && !node->is(Op::ReduceMax)) return nullptr;
  const DType dtype = node->type.dtype;
  if (elements(node->in[0]->type.shape) != 0 || elements(node->type.shape) == 0) return nullptr;
  const double least = dtype == DType::I32 ? std::numeric_limits<int32_t>::min() : -HUGE_VAL;
  return put_splat(graph, node, dtype, sums ? 0 : least, node->type.shape);
}

// A concat passes over what is empty.
Node* folded_concat(Graph& graph, const Node* node) {
  const auto is_empty = [](const Node* in) { return elements(in->type.shape) == 0; };
  if (!node->is(Op::Concat) || is_empty(node) || std::ranges::none_of(node->in, is_empty))
    return nullptr;
  std::vector<Node*> in = node->in;
  std::erase_if(in, is_empty);
  return put(graph, node, node, Op::Concat, std::move(in), node->attrs);
}

// Rows of one number of a table are that row, repeated.
Node* folded_gather(Graph& graph, Node* node, Allowance& allowance) {
  if (!node->is(Op::Gather) || node->int_attr("axis") != 0) return nullptr;
  const Node* table = node->in[0];
  const std::optional<double> row = splat(node->in[1]);
  const int64_t at = row ? static_cast<int64_t>(*row) : -1;
  if (!table->is(Op::Constant) || !table->value.has_data() || at < 0 || at >= table->type.shape[0])
    return nullptr;
  TensorType type = table->type;
  type.shape.erase(type.shape.begin());
  if (!allowance.take(elements(type.shape), type.bytes())) return nullptr;
  const std::span bytes = table->value.bytes().subspan(at * type.bytes(), type.bytes());
  Node* constant = graph.add_constant("", Tensor::copy(type, bytes), node);
  return put_broadcast(graph, node, constant, node->type.shape);
}

}  // namespace

Expected<bool> fold_constants(Graph& graph, PassState& state) {
  bool changed = false;
  Allowance allowance(graph);
  for (const auto& owned : graph.nodes()) {
    Node* node = owned.get();
    if (node->is(Op::Broadcast) && node->in[0]->is(Op::Broadcast)) {
      graph.set_operand(node, 0, node->in[0]->in[0]);
      changed = true;
    }
    Node* instead = state.options.folds_all ? nullptr : same_as(graph, node);
    if (!instead) instead = folded_splat(graph, node);
    if (!instead) instead = folded_empty(graph, node);
    if (!instead) instead = folded_concat(graph, node);
    if (!instead) instead = folded_gather(graph, node, allowance);
    if (!instead && worth_folding(node, state.options.folds_all, allowance)) {
      if (state.deadline) TRY(state.deadline->check("passes: fold_constants"));
      TRY(make_bytes(state, node->type.bytes()));
      instead = folded(graph, node);
    }
    if (!instead) continue;
    graph.replace_uses(node, instead);
    changed = true;
  }
  return changed;
}

}  // namespace tessera
