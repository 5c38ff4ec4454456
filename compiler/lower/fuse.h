// SPDX-License-Identifier: Apache-2.0
// Groups of nodes that are computed together. A matmul takes along the bias, activation and
// residual that follow it, a layer norm the addition before it, and elementwise work is grouped
// into tapes, so that a value that has one use never crosses the exchange for it.
#pragma once

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "codelets/elementwise.h"
#include "ir/graph.h"

namespace tessera {

// last = activation(matmul + bias) + residual; each part but the matmul may be missing.
struct MatmulChain {
  const Node* matmul = nullptr;
  const Node* bias = nullptr;  // a vector along the last dimension
  int activation = 0;          // as in codelets.def
  const Node* residual = nullptr;
  const Node* last = nullptr;  // whose result it is
  std::vector<const Node*> nodes;
};

// last = quantize(activation(matmul · (row_scale · column_scale) + bias) + residual), where a cast
// of the matmul to f32 comes first; each part but the matmul may be missing. Without a scale the
// matmul is the whole.
struct IntegerChain : MatmulChain {
  const Node* row_zero =
      nullptr;  // one, or one for each row; as the others, broadcasts seen through
  const Node* column_zero = nullptr;
  bool scaled = false;
  const Node* row_scale = nullptr;
  const Node* column_scale = nullptr;
  double out_scale = 1, out_zero = 0;  // where last is a byte
};

enum class Domain : uint8_t { Any, Float, Integer };

// Elementwise nodes that one tape computes, operands first; the last is the result.
struct TapeGroup {
  std::vector<const Node*> nodes;
  Domain domain = Domain::Any;
  // The values that the group reads: nodes outside it; broadcasts in it are seen through.
  std::vector<const Node*> leaves;
  const Node* root() const { return nodes.back(); }
};

struct Fusion {
  // By the node whose result the whole makes.
  std::unordered_map<const Node*, MatmulChain> matmuls;
  std::unordered_map<const Node*, IntegerChain> integer_matmuls;
  std::unordered_map<const Node*, TapeGroup> tapes;
  // By layer norm: the addition that it takes along.
  std::unordered_map<const Node*, const Node*> residual_adds;
  // Nodes that are computed as part of another.
  std::unordered_set<const Node*> absorbed;
};

Fusion fuse(const Graph& graph);

// The one value of a constant all of whose elements are equal; broadcasts are seen through.
std::optional<double> splat_value(const Node* node);
// A broadcast's operand, else the node.
const Node* through_broadcast(const Node* node);

}  // namespace tessera
