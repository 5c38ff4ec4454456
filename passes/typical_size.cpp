// SPDX-License-Identifier: Apache-2.0
#include "passes/typical_size.h"

#include <algorithm>
#include <cmath>

#include "passes/match.h"
#include "passes/op_rules.h"

namespace tessera {
namespace {

double size_of_constant(const Tensor& tensor) {
  constexpr int64_t kRead = 4096;
  const int64_t all = elements(tensor.type().shape);
  if (!tensor.has_data() || all == 0) return 1;
  const int64_t step = tensor.is_uniform() ? all : std::max<int64_t>(1, all / kRead);
  double sum = 0;
  int64_t count = 0;
  for (int64_t i = 0; i < all; i += step, ++count) sum += std::pow(element(tensor, i), 2);
  return std::sqrt(sum / static_cast<double>(count));
}

double most_of(const Node& node, const TypicalSizes& sizes) {
  double most = 0;
  for (const Node* in : node.in) most = std::max(most, sizes.at(in));
  return most;
}

double size_of(const Node& node, const TypicalSizes& sizes) {
  const auto in = [&](size_t i) { return sizes.at(node.in[i]); };
  switch (rule_of_values(node.op)) {
    case ValueRule::Constant: return size_of_constant(node.value);
    case ValueRule::MatMul:
      return in(0) * in(1) * std::sqrt(static_cast<double>(node.in[0]->type.shape.back()));
    case ValueRule::Mul: return in(0) * in(1);
    case ValueRule::Div: return in(1) > 0 ? in(0) / in(1) : 1;
    case ValueRule::Add:
    case ValueRule::Sub: return std::hypot(in(0), in(1));
    case ValueRule::Max:
    case ValueRule::Min:
    case ValueRule::Concat: return most_of(node, sizes);
    case ValueRule::Select: return std::max(in(1), in(2));
    case ValueRule::Sqrt: return std::sqrt(in(0));
    case ValueRule::Pow: return std::pow(in(0), splat(node.in[1]).value_or(0));
    case ValueRule::Curve:
    case ValueRule::Wave: return std::min(in(0), 1.0);
    case ValueRule::Norm: return in(1);
    case ValueRule::Attention: return in(2);
    case ValueRule::Sum:
    case ValueRule::CumSum:
      return in(0) * std::sqrt(static_cast<double>(elements(node.in[0]->type.shape)) /
                               static_cast<double>(elements(node.type.shape)));
    case ValueRule::Cast: return is_float(node.in[0]->type.dtype) ? in(0) : 1;
    case ValueRule::Moved:
    case ValueRule::OrZero:
    case ValueRule::Rotary:
    case ValueRule::Gelu:
    case ValueRule::Abs: return in(0);
    case ValueRule::Input:
    case ValueRule::Unknown:
    case ValueRule::Trained:
    case ValueRule::Truth:
    case ValueRule::Bytes:
    case ValueRule::Share:
    case ValueRule::And:
    case ValueRule::Exp:
    case ValueRule::Log:
    case ValueRule::Floor:
    case ValueRule::Round: break;
  }
  return 1;
}

}  // namespace

TypicalSizes find_typical_sizes(const Graph& graph) {
  TypicalSizes sizes;
  for (const auto& node : graph.nodes()) {
    const double size = size_of(*node, sizes);
    sizes[node.get()] = std::isfinite(size) ? size : 1;
  }
  return sizes;
}

}  // namespace tessera
