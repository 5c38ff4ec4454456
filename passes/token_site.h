// SPDX-License-Identifier: Apache-2.0
// How each op moves the axes of tokens: one rule for each word of the column `elements` in
// ir/ops.def. Used by passes/token_axes.cpp alone.
#pragma once

#include <string>
#include <vector>

#include "passes/added_cells.h"
#include "passes/token_axes.h"

namespace tessera {

// A node, and what is known of its operands.
struct TokenSite {
  const Node& node;
  const TokenAxesMap& known;
  const CellsMap& cells;  // where rows are padded
  const TokenShape& shape;
  std::vector<PlacedOperand>* placed = nullptr;  // null: operands by place are refused

  const TokenAxes& operand(size_t i) const { return known.at(node.in[i]); }
  const Cells& cells_of(size_t i) const { return cells.at(node.in[i]); }
  // The content of all cells that padding adds; of those along one axis of the operand.
  CellRange added_to(size_t i) const;
  CellRange added_along(size_t i, int64_t axis) const;
  size_t rank() const { return node.type.shape.size(); }
  bool is_packed() const { return shape.layout == Layout::Packed; }
  bool is_padded() const {
    return shape.layout == Layout::Padded || shape.layout == Layout::Unpacked;
  }
  TokenAxes free() const { return {.uniform = std::vector<bool>(rank(), false)}; }

  Error refuse(const std::string& what) const;
  // Tokens of different requests meet.
  Error mixes(const std::string& how) const;
  // The tokens of a row meet. That is right where the row is one request; `row` is the result then.
  Expected<TokenAxes> meets(const std::string& how, const TokenAxes& row) const;
};

bool tracks(const TokenAxes& axes, int64_t axis);
// "the sequence axis", for messages.
const char* name_of(const TokenAxes& axes, int64_t axis);
// The axes that are left where an axis of tokens is summed over, and stays with one place.
TokenAxes without(const TokenAxes& token, int64_t axis);
// The rows that are left of tokens, with or without an axis where the sequence was.
TokenAxes rows_of(const TokenAxes& token, bool drops_axis);

// Each tracked axis moved by a function of its number.
template <class F>
TokenAxes moved(TokenAxes axes, F move) {
  for (int* axis : {&axes.batch, &axes.sequence, &axes.flat, &axes.key, &axes.place})
    if (*axis >= 0) *axis = move(*axis);
  return axes;
}

namespace token_rules {

using Result = Expected<TokenAxes>;

// token_rules.cpp
Result input(const TokenSite& at);
Result constant(const TokenSite& at);
Result elementwise(const TokenSite& at);
Result packed(const TokenSite& at);

// token_rules_of_moves.cpp
Result broadcast(const TokenSite& at);
Result transpose(const TokenSite& at);
Result reshape(const TokenSite& at);
Result slice(const TokenSite& at);
Result concat(const TokenSite& at);
Result gather(const TokenSite& at);

// token_rules_of_sums.cpp
Result matmul(const TokenSite& at);
Result matmul_integer(const TokenSite& at);
Result reduce(const TokenSite& at);
Result cumsum(const TokenSite& at);
Result softmax(const TokenSite& at);
Result norm(const TokenSite& at);
Result row_ends(const TokenSite& at);
Result segment_max(const TokenSite& at);
Result rotary(const TokenSite& at);
Result attention(const TokenSite& at);

}  // namespace token_rules
}  // namespace tessera
