// SPDX-License-Identifier: Apache-2.0
// The rules that hold for every Graph between passes: operands stand before users and belong to the
// graph, names are unique, attributes are those of the op's row and of the right kind, and every
// type is what infer says.
#pragma once

#include "ir/graph.h"

namespace tessera {

Status verify(const Graph& graph);

// "x: is f32[0,3], must have at least 1 element": a Graph may hold such a value, no machine does.
Error without_elements(const Node& node);

}  // namespace tessera
