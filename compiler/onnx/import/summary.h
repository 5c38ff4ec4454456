// SPDX-License-Identifier: Apache-2.0
// A summary of a model file for people who look at one, before anything is fixed or imported.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

struct ModelSummary {
  struct Tensor {
    std::string name, type;  // "int64[batch,sequence]"
  };
  struct OpCount {
    std::string op;  // "Gemm", "com.microsoft.BiasGelu"
    int64_t count = 0;
    bool supported = false;  // is known by name; `tessera check` tries each node
  };
  std::string producer, sha256;
  int64_t ir_version = 0;
  std::vector<std::pair<std::string, int64_t>> opsets;  // by domain, "ai.onnx" for ONNX's own
  std::vector<Tensor> inputs, outputs;                  // in the model's order, as it declares them
  std::vector<OpCount> ops;                             // of the main graph, by name
  int64_t nodes = 0, initializers = 0;
};

// Errors as of import_onnx, for the file; names in the summary are printable.
Expected<ModelSummary> summarize_onnx(const std::string& path, const Limits& limits = {});

// As JSON, by the fields' names.
nlohmann::ordered_json summary_json(const ModelSummary& summary);

}  // namespace tessera
