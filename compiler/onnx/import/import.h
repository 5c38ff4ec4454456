// SPDX-License-Identifier: Apache-2.0
// ONNX in: a model file becomes a Graph of static shapes. Opsets 7 to 28, the ops encoder
// exporters emit, com.microsoft's fused ones, and ai.graphcore's (what export.h writes).
//
// Shape arithmetic is settled here, by evaluating integer nodes whose operands are constants; the
// same goes for broadcasts. int64 becomes int32, range-checked. The file is hostile: sizes are
// bounded, external data is opened below the model's own folder only, and nothing it declares of
// intermediate or output shapes is believed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compiler/onnx/import/decision.h"
#include "ir/graph.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

struct ImportedModel {
  Graph graph;
  std::map<std::string, std::string> model_dtypes;  // inputs and outputs: "int64", "float32" …
  std::string sha256;                               // of the file and the external data it used
  std::vector<std::string> warnings;                // e.g. a declared output shape that is wrong
  std::vector<Decision> decisions;                  // in the order of the model's nodes
  std::string packing;                              // as given to export_onnx; "" in other files
};

// `input_shape` fixes variable dimensions by input name; all must be fixed in the end. Errors start
// with the path; node errors: "PATH: node 'NAME' (OP): what is, what must be".
// Above a limit it is Refused: bytes, messages and nodes of the file before protobuf reads it, the
// time (with a deadline) before each node.
Expected<ImportedModel> import_onnx(const std::string& path,
                                    const std::map<std::string, Shape>& input_shape,
                                    const Limits& limits = {}, const Deadline* deadline = nullptr);

// An input as the model declares it, before anything is fixed.
struct DeclaredInput {
  std::string name;
  std::string dtype;  // of the array that a caller gives: "int64", "float32" …
  Shape shape;        // -1: a variable dimension
};

// A model file that is read once and imported at several shapes. Imports share its weights.
struct ModelFile;
class OpenModel {
 public:
  static Expected<OpenModel> open(const std::string& path, const Limits& limits = {});
  Expected<ImportedModel> import(const std::map<std::string, Shape>& input_shape,
                                 const Limits& limits, const Deadline* deadline) const;
  // As declared_model_inputs gives them.
  std::vector<DeclaredInput> declared_inputs() const;

 private:
  explicit OpenModel(std::shared_ptr<const ModelFile> file) : file_(std::move(file)) {}
  std::shared_ptr<const ModelFile> file_;
};

// Every node that stands against an import, and not only the first: the errors that import would
// give, without the path. A node whose operands could not be made is looked at for its op alone.
struct OnnxSurvey {
  int64_t nodes = 0;  // of the model, those of its functions and branches left out
  std::vector<std::string> problems;
};
Expected<OnnxSurvey> survey_onnx(const std::string& path,
                                 const std::map<std::string, Shape>& input_shape,
                                 const Limits& limits = {}, const Deadline* deadline = nullptr);

// The names alone, in the model's order; inputs with an initializer are constants and left out.
struct ModelNames {
  std::vector<std::string> inputs, outputs;
};
Expected<ModelNames> model_names(const std::string& path, const Limits& limits = {});

// Inputs with an initializer are left out here too.
Expected<std::vector<DeclaredInput>> declared_model_inputs(const std::string& path,
                                                           const Limits& limits = {});

}  // namespace tessera
