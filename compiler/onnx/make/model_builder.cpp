// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/make/model_builder.h"

#include <algorithm>
#include <iterator>

#include "support/file.h"

namespace tessera {
namespace {

using ::onnx::NodeProto;
using ::onnx::TensorProto;

void describe(::onnx::ValueInfoProto& info, const std::string& name, int32_t type,
              const std::vector<std::string>& dims) {
  info.set_name(name);
  auto* tensor = info.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(type);
  for (const std::string& dim : dims) {
    auto* added = tensor->mutable_shape()->add_dim();
    if (std::ranges::all_of(dim, [](char c) { return c >= '0' && c <= '9'; }))
      added->set_dim_value(std::stoll(dim));
    else
      added->set_dim_param(dim);
  }
}

}  // namespace

ModelBuilder::ModelBuilder(uint64_t seed, std::string doc, int64_t opset) : seed_(seed) {
  model_.set_ir_version(6);
  model_.set_producer_name("tessera");
  model_.set_doc_string(std::move(doc));
  model_.add_opset_import()->set_version(opset);
  graph().set_name("torch-jit-export");
}

void ModelBuilder::add_input(const std::string& name, int32_t type,
                             const std::vector<std::string>& dims) {
  describe(*graph().add_input(), name, type, dims);
}

void ModelBuilder::add_output(const std::string& name, int32_t type,
                              const std::vector<std::string>& dims) {
  describe(*graph().add_output(), name, type, dims);
}

NodeProto& ModelBuilder::node(const std::string& op, const std::vector<std::string>& inputs) {
  NodeProto& node = *graph().add_node();
  node.set_op_type(op);
  node.set_name(op + "_" + std::to_string(graph().node_size() - 1));
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(node.name() + "_output_0");
  return node;
}

std::string ModelBuilder::constant(const TensorProto& tensor) {
  NodeProto& added = node("Constant", {});
  set_attribute(added, "value", tensor);
  return added.output(0);
}

std::string ModelBuilder::scalar(double value) {
  TensorProto tensor;
  tensor.set_data_type(TensorProto::FLOAT);
  const auto narrow = static_cast<float>(value);
  tensor.set_raw_data(&narrow, sizeof narrow);
  return constant(tensor);
}

std::string ModelBuilder::integer(int64_t value) { return constant(int64_tensor({value}, true)); }

std::string ModelBuilder::list(const std::vector<int64_t>& values) {
  return constant(int64_tensor(values));
}

std::string ModelBuilder::dimension(const std::string& of, int64_t axis) {
  const std::string shape = value("Shape", {of});
  const std::string index = integer(axis);
  return value("Gather", {shape, index}, "axis", int64_t{0});
}

StreamedTensor ModelBuilder::tensor(const std::string& name, const std::vector<int64_t>& shape,
                                    const Distribution& distribution) const {
  StreamedTensor tensor;
  int64_t count = 1;
  for (const int64_t dim : shape) {
    tensor.head.add_dims(dim);
    count *= dim;
  }
  tensor.head.set_data_type(TensorProto::FLOAT);
  tensor.head.set_name(name);
  tensor.bytes = static_cast<size_t>(count) * sizeof(float);
  tensor.write = [=, seed = seed_](const Sink& sink) {
    return write_random(sink, name, seed, count, distribution);
  };
  return tensor;
}

void ModelBuilder::add_weight(const std::string& name, const std::vector<int64_t>& shape,
                              const Distribution& distribution) {
  weights_.push_back(tensor(name, shape, distribution));
}

void ModelBuilder::add_matrix(const std::string& name, const std::vector<int64_t>& shape,
                              const Distribution& distribution) {
  matrices_.push_back(tensor(name, shape, distribution));
}

Status ModelBuilder::write(const std::string& path) {
  std::move(matrices_.begin(), matrices_.end(), std::back_inserter(weights_));
  matrices_.clear();
  return write_model(path, model_, weights_);
}

}  // namespace tessera
