// SPDX-License-Identifier: Apache-2.0
// Numbers by place in a row become numbers by position, which is what they are in a row that holds
// one request: rows of a table that is added, angles that queries and keys are rotated by.
#pragma once

#include "passes/pipeline.h"
#include "passes/token_axes.h"

namespace tessera {

// Looks them up at the input of positions, which it adds where the model has none and notes in
// `anchors`. Errors: those of find_token_axes.
Status look_up_positions(Graph& graph, const Node* ids, PackedAnchors& anchors);

}  // namespace tessera
