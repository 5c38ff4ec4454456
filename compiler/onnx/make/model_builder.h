// SPDX-License-Identifier: Apache-2.0
// An ONNX model node by node, as an exporter numbers them, with weights that are made as they are
// written.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "compiler/onnx/make/random_weights.h"
#include "compiler/onnx/model_writer.h"
#include "onnx.pb.h"
#include "support/expected.h"

namespace tessera {

inline constexpr double kMaskValue =
    -3.4028234663852886e38;  // float's least, as exporters write it
inline constexpr double kNormEpsilon = 1e-12;

class ModelBuilder {
 public:
  ModelBuilder(uint64_t seed, std::string doc, int64_t opset);

  ::onnx::GraphProto& graph() { return *model_.mutable_graph(); }
  // `dims` are names or numbers.
  void add_input(const std::string& name, int32_t type,
                 const std::vector<std::string>& dims = {"batch", "sequence"});
  void add_output(const std::string& name, int32_t type, const std::vector<std::string>& dims);

  // A node of its type and number, constants among them, and the name of its value.
  ::onnx::NodeProto& node(const std::string& op, const std::vector<std::string>& inputs);
  std::string value(const std::string& op, const std::vector<std::string>& inputs) {
    return node(op, inputs).output(0);
  }
  template <class T>
  std::string value(const std::string& op, const std::vector<std::string>& inputs,
                    const char* attribute, const T& held) {
    ::onnx::NodeProto& added = node(op, inputs);
    set_attribute(added, attribute, held);
    return added.output(0);
  }

  std::string constant(const ::onnx::TensorProto& tensor);
  std::string scalar(double value);
  std::string integer(int64_t value);
  std::string list(const std::vector<int64_t>& values);
  // One dimension of a value, as a scalar.
  std::string dimension(const std::string& of, int64_t axis);

  // Initializers. Matrices stand after the others in the file, as the exporter's folded ones do.
  void add_weight(const std::string& name, const std::vector<int64_t>& shape,
                  const Distribution& distribution);
  void add_matrix(const std::string& name, const std::vector<int64_t>& shape,
                  const Distribution& distribution);

  Status write(const std::string& path);

 private:
  StreamedTensor tensor(const std::string& name, const std::vector<int64_t>& shape,
                        const Distribution& distribution) const;

  uint64_t seed_;
  ::onnx::ModelProto model_;
  std::vector<StreamedTensor> weights_;
  std::vector<StreamedTensor> matrices_;
};

}  // namespace tessera
