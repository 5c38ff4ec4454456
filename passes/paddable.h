// SPDX-License-Identifier: Apache-2.0
// How requests may share a batch without packing: one in each row, as far as it is proved that
// nothing beside a request is part of its answer. The only place that decides it.
#pragma once

#include <set>
#include <string>

#include "passes/token_axes.h"

namespace tessera {

struct Paddable {
  // True: rows do not see each other, so each may be a request of its own. False: a request is the
  // whole batch.
  bool by_rows = false;
  // True: cells behind a request's tokens, in which every input holds 0 (but see mask_hides),
  // change none of its answers. False: a request fills its row.
  bool by_tokens = false;
  std::string why_not;  // what stands against more, in a user's words; "" if nothing does

  Node* ids = nullptr;                // i32 [rows,row_length]; null: requests cannot be told
  std::set<std::string> per_request;  // outputs [rows,…] with one value a request, not one a token
  // True: a mask is made of the ids, and hides those that are 0. A request needs another: one that
  // attention does not see at all is answered by what all cells hold, padding too.
  bool hides_id_0 = false;
  // True: the mask input is 1 in the cells that padding adds, where every other input is 0, and 0
  // at tokens.
  bool mask_hides = false;
};

// The axes where rows are padded: with 0 in the added cells of every input or, where that is not
// a proof, with 1 in those of the mask, which then hides (`mask_hides`). The error is of the first.
struct PaddedAxes {
  TokenAxesMap axes;
  bool mask_hides = false;
};
Expected<PaddedAxes> find_padded_axes(const Graph& graph, const Node* ids,
                                      bool only_rows_are_so_long = false);

// `of_length` and `of_rows` say why the model's numbers are of one length, or of one number of rows
// only (compiler/lengths.h); "" where they are not.
Paddable prove_paddable(const Graph& graph, const std::string& of_length,
                        const std::string& of_rows = "");

// Whether masks of scores hide tokens by what they are.
bool hides_by_ids(const Graph& graph, const Node* ids);
// Whether they hide tokens by how numbers of theirs compare, so that a request may have no token
// that is seen.
bool hides_by_numbers(const Graph& graph, const Node* ids);

}  // namespace tessera
