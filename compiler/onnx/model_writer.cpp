// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/model_writer.h"

#include <limits>
#include <span>

#include "support/check.h"

namespace tessera {
namespace {

using ::onnx::AttributeProto;
using ::onnx::TensorProto;

// Protobuf's wire format, as far as lengths in front of bytes go.
std::string varint(size_t value) {
  std::string text;
  for (; value >= 0x80; value >>= 7) text += static_cast<char>(value | 0x80);
  return text + static_cast<char>(value);
}
std::string field_head(int number, size_t bytes) {
  constexpr int kLengthDelimited = 2;
  return varint(static_cast<size_t>(number << 3 | kLengthDelimited)) + varint(bytes);
}

// The bytes that stand before a streamed tensor's own within the graph.
std::string tensor_head(const StreamedTensor& tensor) {
  const std::string head =
      tensor.head.SerializeAsString() + field_head(TensorProto::kRawDataFieldNumber, tensor.bytes);
  return field_head(::onnx::GraphProto::kInitializerFieldNumber, head.size() + tensor.bytes) + head;
}

Status put(const Sink& sink, const std::string& text) {
  return sink(std::as_bytes(std::span(text)));
}

AttributeProto* add_attribute(::onnx::NodeProto& node, const std::string& name) {
  AttributeProto* attribute = node.add_attribute();
  attribute->set_name(name);
  return attribute;
}

}  // namespace

Status write_model(const std::string& path, const ::onnx::ModelProto& model,
                   const std::vector<StreamedTensor>& weights,
                   const std::function<Status()>& check) {
  const std::string graph = model.graph().SerializeAsString();
  ::onnx::ModelProto around = model;
  around.clear_graph();
  const std::string head = around.SerializeAsString();
  size_t graph_bytes = graph.size();
  for (const StreamedTensor& tensor : weights)
    graph_bytes += tensor_head(tensor).size() + tensor.bytes;
  if (head.size() + graph_bytes + 16 > std::numeric_limits<int32_t>::max())
    return Error{path + ": the model would be of " + std::to_string(graph_bytes) +
                 " bytes, must be of less than 2 GiB, which is all that one ONNX file holds"};
  return write_file_atomic(path, [&](const Sink& sink) -> Status {
    TRY(put(sink, head));
    TRY(put(sink, field_head(::onnx::ModelProto::kGraphFieldNumber, graph_bytes)));
    TRY(put(sink, graph));
    for (const StreamedTensor& tensor : weights) {
      TRY(put(sink, tensor_head(tensor)));
      TRY(tensor.write(sink));
    }
    return check ? check() : Status();
  });
}

void set_attribute(::onnx::NodeProto& node, const std::string& name, int64_t value) {
  AttributeProto* attribute = add_attribute(node, name);
  attribute->set_type(AttributeProto::INT);
  attribute->set_i(value);
}

void set_attribute(::onnx::NodeProto& node, const std::string& name, const std::string& value) {
  AttributeProto* attribute = add_attribute(node, name);
  attribute->set_type(AttributeProto::STRING);
  attribute->set_s(value);
}

void set_attribute(::onnx::NodeProto& node, const std::string& name,
                   const std::vector<int64_t>& values) {
  AttributeProto* attribute = add_attribute(node, name);
  attribute->set_type(AttributeProto::INTS);
  attribute->mutable_ints()->Add(values.begin(), values.end());
}

void set_attribute(::onnx::NodeProto& node, const std::string& name, double value) {
  const auto narrow = static_cast<float>(value);
  if (static_cast<double>(narrow) == value) {
    AttributeProto* attribute = add_attribute(node, name);
    attribute->set_type(AttributeProto::FLOAT);
    attribute->set_f(narrow);
    return;
  }
  TensorProto tensor;
  tensor.set_data_type(TensorProto::DOUBLE);
  tensor.add_double_data(value);
  set_attribute(node, name, tensor);
}

void set_attribute(::onnx::NodeProto& node, const std::string& name, const TensorProto& value) {
  AttributeProto* attribute = add_attribute(node, name);
  attribute->set_type(AttributeProto::TENSOR);
  *attribute->mutable_t() = value;
}

TensorProto int64_tensor(const std::vector<int64_t>& values, bool scalar) {
  TensorProto tensor;
  tensor.set_data_type(TensorProto::INT64);
  CHECK(!scalar || values.size() == 1);
  if (!scalar) tensor.add_dims(static_cast<int64_t>(values.size()));
  const auto bytes = std::as_bytes(std::span(values));
  tensor.set_raw_data(bytes.data(), bytes.size());
  return tensor;
}

}  // namespace tessera
