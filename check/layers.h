// SPDX-License-Identifier: Apache-2.0
// Where the error of a model comes from: the machine's values against the interpreter's, one by
// one.
#pragma once

#include <vector>

#include "check/check.h"
#include "check/reference.h"
#include "executor/model_runner.h"
#include "ir/graph.h"

namespace tessera {

// One run of a whole batch; every output, by name, in numbers.
Expected<Arrays> run_batch(ModelRunner& runner, const Arrays& inputs);

// The graph after the passes is compiled with every value as an output that the imported `graph`
// has too, under its name and in its shape, and run on the machine. In the order of the model.
// Operations that are fused in the executable without these outputs are computed apart here.
Expected<std::vector<LayerError>> layer_errors(const std::string& model_path,
                                               const CompileOptions& options,
                                               const MachineOptions& machine, const Graph& graph,
                                               const Arrays& inputs);

}  // namespace tessera
