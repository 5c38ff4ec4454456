// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/export/function_body.h"

#include <algorithm>
#include <cctype>

#include "compiler/onnx/model_writer.h"
#include "compiler/onnx/tensor.h"
#include "support/check.h"

namespace tessera {

using ::onnx::NodeProto;
using ::onnx::TensorProto;

std::string FunctionBody::input(const std::string& name) {
  function_.add_input(name);
  return name;
}

std::string FunctionBody::add(const std::string& op, const Values& in, const Attrs& attrs) {
  std::string result;
  for (const char letter : op)
    result += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  result += "_" + std::to_string(function_.node_size());
  NodeProto& node = *function_.add_node();
  node.set_op_type(op);
  node.set_name(result);
  for (const std::string& value : in) node.add_input(value);
  node.add_output(result);
  for (const auto& [name, value] : attrs)
    std::visit([&](const auto& held) { set_attribute(node, name, held); }, value);
  return result;
}

std::string FunctionBody::constant(const Array& array) {
  const Tensor data = to_tensor(array);
  TensorProto tensor;
  tensor.set_data_type(onnx_type_of(array.type.dtype));
  for (const int64_t dim : array.type.shape) tensor.add_dims(dim);
  tensor.set_raw_data(data.bytes().data(), data.bytes().size());
  const std::string result = add("Constant", {});
  set_attribute(*function_.mutable_node()->rbegin(), "value", tensor);
  return result;
}

std::string FunctionBody::number(double value) {
  return constant(Array{
      {DType::F32, {}},
      {value}
  });
}

std::string FunctionBody::counter(int64_t first, int64_t step, int64_t count, const Shape& shape) {
  Array numbers{
      {DType::I32, shape},
      {}
  };
  for (int64_t i = 0; i < count; ++i) numbers.data.push_back(static_cast<double>(first + i * step));
  return constant(numbers);
}

std::string FunctionBody::listed(const std::vector<int64_t>& values) {
  const std::string result = add("Constant", {});
  set_attribute(*function_.mutable_node()->rbegin(), "value", int64_tensor(values));
  return result;
}

std::string FunctionBody::reshape(const std::string& x, const Shape& shape) {
  const Attrs zeros_are_sizes = {
      {"allowzero", int64_t{1}}
  };
  return add("Reshape", {x, listed(shape)}, zeros_are_sizes);
}

std::string FunctionBody::cast(const std::string& x, DType dtype) {
  return add("Cast",
             {
                 x
  },
             {{"to", int64_t{onnx_type_of(dtype)}}});
}

std::string FunctionBody::reduced(const std::string& op, const std::string& x, int64_t axis) {
  const Attrs keeps = {
      {"keepdims", int64_t{1}}
  };
  return add(op, {x, listed({axis})}, keeps);
}

std::string FunctionBody::greatest(const std::string& x, int64_t axis) {
  return reduced("ReduceMax", x, axis);
}

std::string FunctionBody::sum(const std::string& x, int64_t axis) {
  return reduced("ReduceSum", x, axis);
}

std::string FunctionBody::mean(const std::string& x, int64_t axis) {
  return reduced("ReduceMean", x, axis);
}

std::string FunctionBody::widened(const std::string& x, DType from) {
  return from == DType::F32 ? x : cast(x, DType::F32);
}

std::string FunctionBody::narrowed(const std::string& x, DType to) {
  return to == DType::F32 ? x : cast(x, to);
}

::onnx::FunctionProto FunctionBody::finish() {
  CHECK(function_.node_size() > 0);
  NodeProto& last = *function_.mutable_node()->rbegin();
  last.set_output(0, "y");
  function_.add_output("y");
  auto* own = function_.add_opset_import();
  own->set_domain("");
  own->set_version(kExportOpset);
  return std::move(function_);
}

}  // namespace tessera
