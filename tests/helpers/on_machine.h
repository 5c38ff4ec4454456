// SPDX-License-Identifier: Apache-2.0
// A Graph on the machine, called as the interpreter is.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/lower/lower.h"
#include "executor/machine.h"
#include "ir/graph.h"
#include "program/target.h"

namespace tessera::e2e {

// One Array per graph output, in order.
Expected<std::vector<Array>> run_on_machine(const Graph& graph,
                                            const std::map<std::string, Array>& inputs,
                                            const Target& target,
                                            const MachineOptions& options = {},
                                            double available_memory_proportion = 0.6,
                                            TensorSplit tensor = TensorSplit::None);

}  // namespace tessera::e2e
