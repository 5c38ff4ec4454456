// SPDX-License-Identifier: Apache-2.0
// Where the batches of `tessera run` come from: folders of NAME.npy, .npz archives, standard input,
// or drawn at random.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/onnx/import/import.h"
#include "compiler/options.h"
#include "session/session.h"
#include "support/expected.h"
#include "support/limits.h"
#include "tools/files/npz.h"
#include "tools/files/tensors.h"
#include "tools/flags/program_options.h"

namespace tessera::tools {

// One batch.
struct Source {
  std::string path = {};    // of a folder or an archive; "": random
  InputShapes shapes = {};  // an ONNX model: of the inputs; an executable: "", or those it has
  std::vector<std::string> files = {};    // .npy in it
  std::optional<NpzArrays> archive = {};  // what it held; none: a folder
};

// --inputs and --random of the flags, archives read within limits.memory. `model`: of an ONNX
// model, whose names the files have; null for an executable. A Usage error where there is neither
// flag, unless `may_be_none`.
Expected<std::vector<Source>> sources(const po::variables_map& flags, const ModelNames* model,
                                      const Limits& limits, bool may_be_none);

// The inputs of one batch. Errors: an input that is not there, a file that no input takes, shapes
// that are not the executable's. `read` is for folders.
Expected<std::map<std::string, NpyArray>> load_inputs(const Source& source, const Serving& serving,
                                                      size_t batch, const ReadArray& read);

}  // namespace tessera::tools
