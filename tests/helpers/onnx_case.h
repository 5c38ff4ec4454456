// SPDX-License-Identifier: Apache-2.0
// A test case in the layout of ONNX's backend tests: a model, and sets of inputs with the outputs
// that somebody else recorded for them.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compiler/onnx/import/import.h"
#include "ir/tensor.h"
#include "support/expected.h"

namespace tessera::test {

struct DataSet {
  std::map<std::string, Array> inputs;  // by the model's names
  std::map<std::string, Array> outputs;
  std::set<std::string> of_bfloat16;  // of the outputs
};

// $TESSERA_SHARED, or the folder `shared` beside the sources; nothing if there is none.
std::optional<std::filesystem::path> shared_folder();
// The cases in a folder, in the order of their names.
std::vector<std::filesystem::path> cases_in(const std::filesystem::path& folder);

// Shapes for every input, from the tensors of a data set: of those that have a name, by name, of
// the others by the number in the file's name.
Expected<std::vector<DataSet>> read_data_sets(const std::filesystem::path& folder);

// A runner of graphs: the reference interpreter, or the machine.
using Runner = std::function<Expected<std::vector<Array>>(
    const Graph&, const std::map<std::string, Array>& inputs)>;

// How far an output may be from the recorded one: absolute, of the recorded values' standard
// deviation, and of each value.
struct Tolerance {
  double absolute = 1e-5;
  double of_deviation = 1e-5;
  double relative = 0;
};

struct Verdict {
  enum Kind { Passed, Refused, Failed } kind = Failed;
  std::string reason;  // of what is not Passed
};
// Imports the model for the shapes of each data set, runs it and compares every output, where
// `attention_mask` is 1 if there is such an input of the output's leading shape.
Verdict run_case(const std::filesystem::path& folder, const Runner& runner,
                 const Tolerance& tolerance);

// "" if they agree where `mask` (of the leading axes, or null) is not 0, else the first difference.
std::string difference(const Array& got, const Array& wanted, const Array* mask,
                       const Tolerance& tolerance);

}  // namespace tessera::test
