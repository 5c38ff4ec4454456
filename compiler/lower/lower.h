// SPDX-License-Identifier: Apache-2.0
// Graph to Program: every node becomes variables and supersteps, with tile mappings chosen by the
// planner. Constants go to the executable's blobs.
#pragma once

#include "compiler/options.h"
#include "ir/graph.h"
#include "program/popef.h"
#include "support/expected.h"

namespace tessera {

struct Lowered {
  Program program;
  std::vector<Blob> constants;
};

Expected<Lowered> lower(const Graph& graph, const CompileOptions& options);

}  // namespace tessera
