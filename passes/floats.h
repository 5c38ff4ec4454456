// SPDX-License-Identifier: Apache-2.0
// A graph in other floats. Both passes that change precision do this, one way or the other.
#pragma once

#include "ir/graph.h"

namespace tessera {

// Every value of `from` inside the graph becomes one of `to`. The model keeps its interface: inputs
// of `from` are cast on the way in, outputs of `from` on the way out. A constant beyond f16's range
// becomes its largest number rather than infinity. Errors: a constant without data.
Status change_floats(Graph& graph, DType from, DType to);

}  // namespace tessera
