// SPDX-License-Identifier: Apache-2.0
// Names of a model become names of variables and supersteps, and go into JSON, files and terminals.
#pragma once

#include <string>

#include "onnx.pb.h"
#include "support/expected.h"

namespace tessera {

// Errors name the first that is not UTF-8, holds a control character, or is longer than any
// exporter writes: of inputs, outputs, constants, nodes and their values, subgraphs included.
Status check_names(const ::onnx::GraphProto& graph, const std::string& path);

}  // namespace tessera
