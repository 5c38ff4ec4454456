// SPDX-License-Identifier: Apache-2.0
// A tensor in a file of its own: one TensorProto, as ONNX's test cases keep inputs and outputs.
#pragma once

#include <string>

#include "ir/tensor.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

struct TensorFile {
  std::string name;       // may be empty
  std::string onnx_type;  // "int64" where the tensor is of i32
  Tensor tensor;
};

// Errors start with the path; Refused above the limits of bytes and messages.
Expected<TensorFile> read_tensor_file(const std::string& path, const Limits& limits = {});

}  // namespace tessera
