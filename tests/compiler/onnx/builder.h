// SPDX-License-Identifier: Apache-2.0
// ONNX models for tests, a line a node.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "compiler/onnx/import/import.h"
#include "compiler/onnx/model_writer.h"
#include "ir/text.h"
#include "onnx.pb.h"
#include "tests/helpers/temp_folder.h"

namespace tessera::test {

using Names = std::vector<std::string>;
using Ints = std::vector<int64_t>;
using ::onnx::TensorProto;

class ModelBuilder {
 public:
  explicit ModelBuilder(int64_t opset = 13) {
    model.set_ir_version(8);
    model.add_opset_import()->set_version(opset);
    graph().set_name("test");
  }

  ::onnx::GraphProto& graph() { return *model.mutable_graph(); }

  // Dimensions are numbers, or names of variable ones: "batch,128".
  ModelBuilder& input(const std::string& name, int32_t type, const std::string& dims) {
    declare(*graph().add_input(), name, type, dims);
    return *this;
  }
  ModelBuilder& output(const std::string& name) {
    graph().add_output()->set_name(name);
    return *this;
  }
  ModelBuilder& output(const std::string& name, int32_t type, const std::string& dims) {
    declare(*graph().add_output(), name, type, dims);
    return *this;
  }
  ::onnx::NodeProto& node(const std::string& op, const Names& inputs, const Names& outputs,
                          const std::string& name = "n") {
    ::onnx::NodeProto& node = *graph().add_node();
    node.set_op_type(op);
    node.set_name(name);
    for (const std::string& one : inputs) node.add_input(one);
    for (const std::string& one : outputs) node.add_output(one);
    return node;
  }
  ModelBuilder& ints(const std::string& name, const Ints& values, bool scalar = false) {
    TensorProto tensor = int64_tensor(values, scalar);
    tensor.set_name(name);
    *graph().add_initializer() = std::move(tensor);
    return *this;
  }
  TensorProto& floats(const std::string& name, const std::vector<float>& values, const Ints& dims) {
    TensorProto& tensor = *graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(TensorProto::FLOAT);
    for (const int64_t dim : dims) tensor.add_dims(dim);
    for (const float value : values) tensor.add_float_data(value);
    return tensor;
  }

  std::string save(const TempFolder& folder, const std::string& name = "m.onnx") const {
    std::ofstream(folder / name, std::ios::binary) << model.SerializeAsString();
    return folder / name;
  }

  ::onnx::ModelProto model;

 private:
  static void declare(::onnx::ValueInfoProto& info, const std::string& name, int32_t type,
                      const std::string& dims) {
    info.set_name(name);
    auto* tensor = info.mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(type);
    tensor->mutable_shape();
    std::istringstream list(dims);
    for (std::string dim; std::getline(list, dim, ',');) {
      auto* one = tensor->mutable_shape()->add_dim();
      if (std::isdigit(static_cast<unsigned char>(dim[0])) || dim[0] == '-') {
        one->set_dim_value(std::stoll(dim));
      } else {
        one->set_dim_param(dim);
      }
    }
  }
};

// The shape of one input, as import takes it.
inline std::map<std::string, Shape> given(const std::string& name, const Shape& shape) {
  std::map<std::string, Shape> shapes;
  shapes.emplace(name, shape);
  return shapes;
}

// The imported graph as text, or the error after the path.
inline std::string imported(const ModelBuilder& builder,
                            const std::map<std::string, Shape>& shapes = {}) {
  const TempFolder folder;
  const std::string path = builder.save(folder);
  const auto model = import_onnx(path, shapes);
  if (model.ok()) return print(model->graph);
  const std::string& message = model.error().message;
  EXPECT_TRUE(message.starts_with(path + ": ")) << message;
  return message.substr(message.find(": ") + 2);
}

}  // namespace tessera::test
