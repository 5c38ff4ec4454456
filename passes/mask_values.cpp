// SPDX-License-Identifier: Apache-2.0
#include "passes/mask_values.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "passes/match.h"
#include "support/half.h"

namespace tessera {
namespace {

constexpr size_t kMostNumbers = 8, kMostCombinations = 64;

using Numbers = std::vector<Number>;

bool by_bits(const Number& a, const Number& b) {
  const auto bits = [](double value) { return std::bit_cast<uint64_t>(value); };
  return std::pair(bits(a.exact), bits(a.held)) < std::pair(bits(b.exact), bits(b.held));
}

// Each once; nothing where they are too many.
Numbers distinct(const Numbers& all) {
  std::set<Number, decltype(&by_bits)> kept(&by_bits);
  for (const Number& number : all) {
    kept.insert(number);
    if (kept.size() > kMostNumbers) return {};
  }
  return {kept.begin(), kept.end()};
}

double within_half(double value) {
  if (std::isinf(value)) return value;
  return from_half(to_half(std::clamp(value, -double{kMaxHalf}, double{kMaxHalf})));
}

Numbers numbers_of_constant(const Tensor& tensor) {
  if (!tensor.has_data()) return {};
  std::set<double> found;
  const int64_t count = tensor.is_uniform() ? 1 : elements(tensor.type().shape);
  for (int64_t i = 0; i < count; ++i) {
    const double value = element(tensor, i);
    if (std::isnan(value)) return {};
    found.insert(value);
    if (found.size() > kMostNumbers) return {};
  }
  Numbers numbers;
  for (const double value : found)
    numbers.push_back({value, is_float(tensor.type().dtype) ? within_half(value) : value});
  return numbers;
}

bool lays_out_again(const Node* node) {
  return is_view(node) || node->is(Op::Slice) || node->is(Op::Gather);
}

// Every combination of an operand's numbers with the others', through the meaning of the op.
Numbers combined(const Node& node, const std::vector<const Numbers*>& operands) {
  size_t count = 1;
  for (const Numbers* numbers : operands) {
    count *= numbers->size();
    if (count == 0 || count > kMostCombinations) return {};
  }
  std::vector<Array> exact, held;
  for (size_t i = 0, every = 1; i < operands.size(); every *= operands[i++]->size()) {
    const TensorType type{node.in[i]->type.dtype, {static_cast<int64_t>(count)}};
    exact.push_back({type, {}});
    held.push_back({type, {}});
    for (size_t at = 0; at < count; ++at) {
      const Number& number = (*operands[i])[at / every % operands[i]->size()];
      exact.back().data.push_back(number.exact);
      held.back().data.push_back(number.held);
    }
  }
  Node probe = node;
  probe.type.shape = {static_cast<int64_t>(count)};
  Expected<Array> first = eval(probe, exact), second = eval(probe, held);
  if (!first || !second) return {};
  first->type = second->type = probe.type;
  round_to_dtype(*first);
  if (is_float(node.type.dtype)) second->type.dtype = DType::F16;
  round_to_dtype(*second);
  Numbers numbers;
  for (size_t at = 0; at < count; ++at) numbers.push_back({first->data[at], second->data[at]});
  return distinct(numbers);
}

}  // namespace

namespace {

// The index before it was moved, cast, or changed by one number; null at its end.
const Node* index_behind(const Node* index) {
  if (is_view(index) || index->is(Op::Slice) || index->is(Op::Cast)) return index->in[0];
  if (!info(index->op).elementwise) return nullptr;
  return other_operand(index, [](const Node* in) { return splat(in).has_value(); });
}

}  // namespace

std::unordered_set<const Node*> index_inputs(const Graph& graph) {
  std::unordered_set<const Node*> found;
  for (const auto& node : graph.nodes()) {
    if (!node->is(Op::Gather) || node->in[0]->type.shape[node->int_attr("axis")] <= 2) continue;
    const Node* index = node->in[1];
    for (int i = 0; i < kFarthest && index; ++i) {
      if (index->is(Op::Input)) found.insert(index);
      index = index_behind(index);
    }
  }
  return found;
}

MaskValues::MaskValues(const Graph& graph) {
  const std::unordered_set<const Node*> indices = index_inputs(graph);
  const Numbers zero_and_one = {
      {0, 0},
      {1, 1}
  };
  for (const auto& owned : graph.nodes()) {
    const Node* node = owned.get();
    if (node->is(Op::Constant)) {
      note(node, numbers_of_constant(node->value));
    } else if (node->is(Op::Input)) {
      const bool mask = node->type.dtype == DType::I32 && !indices.contains(node);
      if (mask || node->type.dtype == DType::Bool) note(node, zero_and_one);
    } else {
      note_computed(node);
      if (node->type.dtype == DType::Bool && of(node).empty()) note(node, zero_and_one);
    }
  }
}

const Numbers& MaskValues::of(const Node* node) const {
  static const Numbers none;
  const auto found = numbers_.find(node);
  return found == numbers_.end() ? none : found->second;
}

std::vector<Node*> MaskValues::made_from(const Node* node) const {
  if (lays_out_again(node)) return {node->in[0]};
  return computed_.contains(node) ? node->in : std::vector<Node*>{};
}

void MaskValues::note(const Node* node, Numbers numbers) {
  if (!numbers.empty()) numbers_[node] = std::move(numbers);
}

void MaskValues::note_computed(const Node* node) {
  Numbers numbers;
  if (lays_out_again(node)) {
    numbers = of(node->in[0]);
  } else if (node->is(Op::Concat)) {
    for (const Node* in : node->in) {
      if (of(in).empty()) return;
      numbers.insert(numbers.end(), of(in).begin(), of(in).end());
    }
    numbers = distinct(numbers);
  } else if (info(node->op).elementwise) {
    std::vector<const Numbers*> operands;
    for (const Node* in : node->in) operands.push_back(&of(in));
    numbers = combined(*node, operands);
  }
  if (numbers.empty()) return;
  computed_.insert(node);
  note(node, std::move(numbers));
}

}  // namespace tessera
