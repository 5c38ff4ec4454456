// SPDX-License-Identifier: Apache-2.0
// The halves of a compile: a model to the Graph that the passes leave, and that Graph to an
// executable.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/compile.h"
#include "ir/graph.h"
#include "passes/pipeline.h"
#include "support/expected.h"

namespace tessera {

// The model after the passes, for `tessera convert` and tests.
struct Converted {
  Graph graph;
  PackingContract packing;
  std::map<std::string, std::string> model_dtypes;  // by input and output, as the model declares
  std::string source_sha256;
  std::vector<std::string> warnings;  // of the import and the passes
  std::vector<std::string> passes;    // those that changed the graph, in order
  std::vector<KeptInFp32> kept;       // nodes that stay in f32 where f16 was asked for
};
Expected<Converted> convert(const std::string& model_path, const CompileOptions& options);
// Writes it as ONNX, from which compile makes the executable that it would have made of the source.
Status write_converted(const Converted& converted, const std::string& path);
// From a graph that has been through the passes.
Expected<CompileResult> compile_graph(Converted converted, const CompileOptions& options,
                                      const CompileProgress& progress = {});

}  // namespace tessera
