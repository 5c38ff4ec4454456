// SPDX-License-Identifier: Apache-2.0
// Where the tokens are: for every value of a graph, which of its axes are the batch and the
// sequence, or the node at which that cannot be told.
//
// Several requests share a batch, and each must get the answer that it has alone. That is a
// property of the whole graph: a value is free of tokens, or has one entry for each token, or one
// for each row. An op that keeps this is followed; any other is refused by name. Nothing is assumed
// from names of nodes or axes, and nothing from a shape that happens to agree.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "ir/graph.h"

namespace tessera {

struct TokenAxes {
  enum class Kind : uint8_t { Free, Token, Row };
  Kind kind = Kind::Free;
  int batch = -1;     // the axis of rows
  int sequence = -1;  // the axis of tokens in a row
  int flat = -1;      // instead of both: one axis of rows x row_length, row-major
  // Where rows are padded, a value may have an entry for each two tokens of a row: this is the
  // second's axis.
  int key = -1;
  // A value with an entry for each token may have an axis of places, as long as the row, if numbers
  // by place have been added along it. Its cells are told apart by both, as for two tokens; nothing
  // more is said.
  int place = -1;
  // Numbers of a token that share the axis `sequence` with it, the token outside: row-major.
  int64_t inner = 1;
  // Cells of 0 around the tokens of each row, as a convolution is padded: the axis `sequence` is
  // longer than the row by both.
  int64_t zeros_before = 0, zeros_behind = 0;
  // The axes of a free value along which all elements are equal.
  std::vector<bool> uniform = {};
  // For a packed batch, once the whole graph is known:
  bool by_request = false;      // is right only where each row is one request, so on unpacked rows
  bool goes_back = false;       // likewise, and packed again for what follows
  bool may_be_0_behind = true;  // a request's answer stays where the cells behind it are 0

  bool has_zeros_around() const { return zeros_before + zeros_behind > 0; }
  // The axis beside `sequence` by which cells are told apart.
  int second() const { return key >= 0 ? key : place; }
  // An entry for each token, [row_length,rows,…].
  bool is_by_time() const {
    return kind == Kind::Token && batch == 1 && sequence == 0 && is_plain();
  }
  // An entry for each token, [rows,row_length,…].
  bool is_in_front() const {
    return kind == Kind::Token && batch == 0 && sequence == 1 && is_plain();
  }
  // Only the axis `sequence` has an entry for each token.
  bool is_plain() const { return key < 0 && inner == 1 && !has_zeros_around(); }

  bool operator==(const TokenAxes&) const = default;
};

// How requests lie in the rows of a batch.
enum class Layout : uint8_t {
  Packed,    // anywhere: a row may hold several, and one may go on in the next row
  Unpacked,  // as Padded: what of a packed model is computed on a row for each request
  Padded,    // one in each row, from its start; every input holds 0 in the cells behind it
  Whole,     // one in each row, as long as the row
};

// The values of one batch: i32 [rows,row_length], among the graph's inputs.
struct TokenShape {
  int64_t rows = 0, row_length = 0;
  Layout layout = Layout::Packed;
  // True: nothing in the graph is as long as the row by chance, so that an axis of that size
  // follows the row's length, also where it is not one of tokens (positions, scores by place). A
  // sum over such an axis, or an element of it, is another for a shorter request, and is refused.
  bool only_rows_are_so_long = false;
  // The input of 0 and 1 that says which tokens are there, if rows are padded; null: none.
  const Node* mask = nullptr;
  // Where rows are padded: the input that is 1 in the added cells, as a mask that hides by 1 is;
  // null: none.
  const Node* filled = nullptr;
};

using TokenAxesMap = std::unordered_map<const Node*, TokenAxes>;

// An operand that is free of tokens and another number for each place in a row, beside tokens.
struct PlacedOperand {
  Node* user = nullptr;
  size_t operand = 0;
  int batch = -1, sequence = -1;  // axes of the operand
};

// Whether a value of this type has one entry for each token of `batch`, [rows,row_length]: i32 of
// that shape, or with further axes behind it (the corners of a token's box). None of these may be
// as long as the row: it could hold tokens too.
bool is_by_token(const TensorType& type, const Shape& batch);

// Errors: "node 'NAME' (op): what it does to tokens, what that must not be". Every input must be
// by token; where rows are whole, any value [rows,…].
// Where rows are packed and `placed` is not null, operands by place are noted there, to be looked
// up by position, and not refused.
Expected<TokenAxesMap> find_token_axes(const Graph& graph, const TokenShape& shape,
                                       std::vector<PlacedOperand>* placed = nullptr);

// A gather or slice that takes the first token of each row (what poolers do).
bool takes_first_token(const Node* node, const TokenAxes& operand);

}  // namespace tessera
