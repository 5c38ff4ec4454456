// SPDX-License-Identifier: Apache-2.0
// Batches on the host for the verbs that run: from a folder of NAME.npy, or drawn at random.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "executor/model_runner.h"
#include "support/expected.h"
#include "support/file_names.h"
#include "support/limits.h"
#include "support/npy.h"

namespace tessera::tools {

// Arrays by tensor name, and views of them as the runner wants them.
struct Batch {
  std::map<std::string, NpyArray> inputs;
  std::map<std::string, NpyArray> outputs;
};

// An executable, ready to run. Says once where there is no cache of compiled codelets, and why.
Expected<std::unique_ptr<ModelRunner>> load_runner(const PopefFile& file,
                                                   const MachineOptions& machine);

// Where they are kept, input by input and output by output (support/file_names.h).
TensorFiles input_files(const Metadata& metadata);
TensorFiles output_files(const Metadata& metadata);

// How an array is had from its path: by reading the file, or from what was read before.
using ReadArray = std::function<Expected<NpyArray>(const std::string& path)>;
// A file of at most limits.memory.
ReadArray read_within(const Limits& limits);
// Reads every .npy of the folders now, for a process that will not open anything: within
// limits.memory, all together.
ReadArray read_before(const std::vector<std::string>& folders, const Limits& limits);
// The .npy of each of `names` (all of them must be there).
Expected<std::map<std::string, NpyArray>> read_inputs(const std::string& folder,
                                                      const std::vector<std::string>& names,
                                                      const ReadArray& read);
// Shapes of all .npy there by the names whose files they are, for a model that is not compiled yet.
Expected<std::map<std::string, Shape>> input_shapes_of(const std::string& folder,
                                                       const TensorFiles& files);
// Arrays by the names of their files, as they are written.
std::map<std::string, NpyArray> by_file(std::map<std::string, NpyArray> arrays,
                                        const TensorFiles& files);
// Makes the folder if need be. Arrays by the names of their files, as from by_file; a name that
// could lead out of the folder is refused, as the arrays may come out of a sandbox.
Status write_outputs(const std::map<std::string, NpyArray>& arrays, const std::string& folder);

std::vector<std::string> anchor_names(const Metadata& metadata, AnchorKind kind);

}  // namespace tessera::tools
