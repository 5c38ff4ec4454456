// SPDX-License-Identifier: Apache-2.0
// Right answers for one model, from something that is not the compiler.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "check/check.h"
#include "ir/tensor.h"

namespace tessera {

using Arrays = std::map<std::string, Array>;  // by input or output

class Reference {
 public:
  virtual ~Reference() = default;
  virtual std::string name() const = 0;
  // The outputs of each set of inputs, in order. `model_dtypes`: what the model declares of inputs.
  virtual Expected<std::vector<Arrays>> answers(const std::vector<Arrays>& inputs) = 0;
};

std::unique_ptr<Reference> interpreter_reference(const std::string& model_path,
                                                 const Limits& limits);
// `dtypes` are the model's own, of its inputs ("int64" …).
std::unique_ptr<Reference> onnxruntime_reference(const std::string& model_path,
                                                 const std::string& python,
                                                 std::map<std::string, std::string> dtypes);

}  // namespace tessera
