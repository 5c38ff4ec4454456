// SPDX-License-Identifier: Apache-2.0
// The compiler: a model file in, an executable out.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/options.h"
#include "ir/graph.h"
#include "program/popef.h"
#include "support/expected.h"

namespace tessera {

struct Phase {
  std::string name;  // "import", "passes", "lower" (which plans), "verify", "cost"
  double milliseconds = 0;
};

struct CompileResult {
  Executable executable;
  std::vector<Phase> phases;
  std::vector<std::string> warnings;  // of the import
  // Set when a tile's memory does not hold the program: Poplar's sentence, what takes the room and
  // what would help. The executable and its report are complete all the same.
  std::optional<Error> out_of_memory;
};

// Called as a phase begins, from the calling thread.
using CompileProgress = std::function<void(const std::string& phase)>;

Expected<CompileResult> compile(const std::string& model_path, const CompileOptions& options,
                                const CompileProgress& progress = {});

// The model after the passes, for `tessera convert` and tests.
struct Converted {
  Graph graph;
  PackingContract packing;
  std::map<std::string, std::string> model_dtypes;  // by input and output, as the model declares
  std::string source_sha256;
  std::string model_name;             // the file's, without its folder
  std::vector<std::string> warnings;  // of the import
  std::vector<std::string> passes;    // those that changed the graph, in order
};
Expected<Converted> convert(const std::string& model_path, const CompileOptions& options);
// Writes it as ONNX, from which compile makes the executable that it would have made of the source.
Status write_converted(const Converted& converted, const std::string& path);
// From a graph that has been through the passes.
Expected<CompileResult> compile_graph(Converted converted, const CompileOptions& options,
                                      const CompileProgress& progress = {});

}  // namespace tessera
