// SPDX-License-Identifier: Apache-2.0
// A graph cut into parts for several IPUs, by hand or so that it fits and is fast.
#pragma once

#include <functional>

#include "compiler/lower/lower.h"
#include "compiler/options.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

// Lowers with the share of memory that fits, where one does.
using LowerToFit = std::function<Expected<Lowered>(const Graph&, LowerOptions, const Deadline&)>;

// The options must say how to cut. Cut by cost, it is the cut with the shortest time for a batch of
// those that fit; where none fits, the one whose fullest tile has least, lowered to fit.
Expected<Lowered> shard_to_fit(const Graph& graph, const LowerOptions& lowering,
                               const CompileOptions& options, const Deadline& deadline,
                               const LowerToFit& lower_to_fit);

}  // namespace tessera
