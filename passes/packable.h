// SPDX-License-Identifier: Apache-2.0
// Both forms of packing ask this of a model: which inputs carry what, and the proof that requests
// in one row cannot see each other outside attention (passes/token_axes.h).
#pragma once

#include <vector>

#include "passes/pipeline.h"
#include "passes/token_axes.h"

namespace tessera {

// The input whose length is the request's: of the i32 [rows,row_length] inputs that a table of
// floats is looked up by, input_ids if one has that name, else the one with the longest table;
// positions last, whose table may be longer than a small vocabulary. Null if there is none.
Node* find_ids(const Graph& graph);

// The input, of the ids' type, that says which tokens are there: the one that the masks of all
// attentions are made of; where there is none, the one with "mask" in its name. Null if that is not
// one either.
Node* find_mask(const Graph& graph, const Node* ids);
// The i32 input that all attentions hide keys by where it is 1; null if they do not.
Node* mask_that_hides(const Graph& graph);
// That one or, where no attention has a mask, the model's mask if padding is proved to be nothing
// where it is 1 and not where it is 0.
Node* find_mask_that_hides(const Graph& graph, const Node* ids);
// The one of the ids' type with "position" in its name, if there is one.
const Node* find_positions(const Graph& graph, const Node* ids);

struct Packable {
  Node* ids = nullptr;
  Node* mask = nullptr;  // null if no attention has one
  std::vector<Node*> attentions;
  TokenAxesMap axes;
  TokenShape shape;
};

// Masks and numbers by place become those of a packed batch (passes/packed_masks.h,
// packed_positions.h); all that packing changes before it takes requests apart.
Status settle_packed(Graph& graph, const Node* ids, PackedAnchors& anchors);

// Settles, proves, and fills in what PassState says of inputs. Errors are a user's: they name the
// input, output or node that stands against packing.
Expected<Packable> prove_packable(Graph& graph, PassState& state);

}  // namespace tessera
