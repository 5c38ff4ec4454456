// SPDX-License-Identifier: Apache-2.0
// An ONNX file, written without holding its weights: they are streamed into place after the rest.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "onnx.pb.h"
#include "support/expected.h"
#include "support/file.h"

namespace tessera {

// An initializer whose bytes are made as they are written.
struct StreamedTensor {
  ::onnx::TensorProto head;  // name, type and dimensions; no data
  size_t bytes = 0;
  std::function<Status(const Sink&)> write;  // exactly `bytes`
};

// `model` with `weights` after its own initializers. Atomic; equal arguments give equal bytes.
// `check`, where it is given, is asked once all is written and before `path` holds it.
// Errors: more than 2 GiB in all, those of writing, and that of `check`.
Status write_model(const std::string& path, const ::onnx::ModelProto& model,
                   const std::vector<StreamedTensor>& weights,
                   const std::function<Status()>& check = {});

void set_attribute(::onnx::NodeProto& node, const std::string& name, int64_t value);
void set_attribute(::onnx::NodeProto& node, const std::string& name, const std::string& value);
void set_attribute(::onnx::NodeProto& node, const std::string& name,
                   const std::vector<int64_t>& values);
// A float, or a tensor of one double where a float would lose bits.
void set_attribute(::onnx::NodeProto& node, const std::string& name, double value);
void set_attribute(::onnx::NodeProto& node, const std::string& name,
                   const ::onnx::TensorProto& value);
::onnx::TensorProto int64_tensor(const std::vector<int64_t>& values, bool scalar = false);

}  // namespace tessera
