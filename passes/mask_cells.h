// SPDX-License-Identifier: Apache-2.0
// The meaning of each element of a mask, and its token: the analysis behind passes/key_mask.h.
//
// A mask is made of one value [batch,keys] of 0s and 1s (any bool, or an i32 input that numbers the
// rows of no table) and of constants. Exporters spell it in many ways: looked up by constant
// indices, and-ed with true, selected, cast, stretched. No spelling is parsed here: every node is
// evaluated by the reference interpreter, once where each element of the source is 0 and once where
// it is 1, and beside it the number of the element that speaks is moved along.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/graph.h"

namespace tessera {

// Inputs that are not masks: those that number the rows of a table (passes/mask_values.h).
using NotMasks = std::unordered_set<const Node*>;

struct MaskCells {
  Node* source = nullptr;  // i32 or bool, [batch,keys]; null: nothing but constants
  // As the value's, but 1 for axes along which all is alike, where the node that made it says so.
  Shape shape;
  // By element: the element of the source that it depends on, or one of those below.
  std::vector<double> token;
  std::array<std::vector<double>, 2> at;  // where that element is 0, and where it is 1
};
inline constexpr double kNoToken = -1, kManyTokens = -2;

inline constexpr int kMostMaskNodes = 256;
inline constexpr int64_t kMostMaskCells = int64_t{1} << 24;

// One question's answers so far, by node: a mask may use a part of itself again and again.
class MaskReader {
 public:
  explicit MaskReader(const NotMasks& not_masks) : not_masks_(not_masks) {}
  // Null: not a mask, or made of more nodes or elements than the numbers above.
  const MaskCells* read(Node* node);

 private:
  bool is_source(const Node* node) const;
  bool may_hold(const Shape& shape);
  bool read_operands(const Node* node, std::vector<const MaskCells*>& in);
  bool read_constant(const Node* node, MaskCells& cells);
  bool read_view(const Node* node, MaskCells& cells);
  bool read_move(const Node* node, MaskCells& cells);
  bool read_elementwise(const Node* node, MaskCells& cells);
  bool read_known(Node* node, MaskCells& cells);
  void read_source(Node* node, MaskCells& cells);

  const NotMasks& not_masks_;
  std::unordered_map<const Node*, MaskCells> known_;
  std::unordered_set<const Node*> refused_;
  int nodes_left_ = kMostMaskNodes;
  int64_t cells_left_ = kMostMaskCells;
};

// The same with every axis as long as `whole`, whose sizes are those of cells.shape or stretch a 1.
MaskCells stretched(const MaskCells& cells, const Shape& whole);

}  // namespace tessera
