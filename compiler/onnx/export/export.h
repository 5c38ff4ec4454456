// SPDX-License-Identifier: Apache-2.0
// ONNX out: a Graph as a model that Netron opens and import_onnx reads back to the same Graph.
// Core ops are standard ONNX (opset 19); model ops stand in domain ai.graphcore, each with a
// function that says it in standard ONNX, so that other runtimes give the same answers.
#pragma once

#include <map>
#include <string>

#include "ir/graph.h"
#include "support/expected.h"

namespace tessera {

// `packing` is kept in the file and read back by import_onnx; "": the model is not packed.
Status export_onnx(const Graph& graph, const std::map<std::string, std::string>& model_dtypes,
                   const std::string& path, const std::string& packing = "");

}  // namespace tessera
