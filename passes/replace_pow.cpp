// SPDX-License-Identifier: Apache-2.0
// A power by a whole number from 2 to 8 becomes squares and products.
//
// A power takes poplibs some 300 issues an element, a product 1. PopRT rewrites it since 1.1.0.
#include <cmath>

#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {
namespace {

constexpr double kMostFactors = 8;

// The whole number that this node raises floats to; 0 if it does not.
int whole_power(const Node* node) {
  if (!node->is(Op::Pow) || !is_float(node->type.dtype)) return 0;
  const std::optional<double> by = splat(node->in[1]);
  const bool whole = by && *by >= 2 && *by <= kMostFactors && std::trunc(*by) == *by;
  return whole ? static_cast<int>(*by) : 0;
}

// By repeated squares: x⁵ = (x²)² · x.
Node* product_of_powers(Graph& graph, Node* power, int exponent) {
  Node* square = power->in[0];
  Node* product = nullptr;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1)
      product = product ? put(graph, power, power, Op::Mul, {square, product}) : square;
    if (exponent > 1) square = put(graph, power, power, Op::Mul, {square, square});
  }
  return product;
}

}  // namespace

Expected<bool> replace_pow(Graph& graph, PassState&) {
  bool changed = false;
  for (const auto& owned : graph.nodes()) {
    Node* power = owned.get();
    const int exponent = whole_power(power);
    if (exponent == 0) continue;
    graph.replace_uses(power, product_of_powers(graph, power, exponent));
    changed = true;
  }
  return changed;
}

}  // namespace tessera
