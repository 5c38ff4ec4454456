// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/outputs.h"

#include "compiler/onnx/import/inputs.h"
#include "compiler/onnx/model_file.h"
#include "compiler/onnx/tensor.h"

namespace tessera {
namespace {

using ::onnx::ValueInfoProto;

// Says how a declared type differs from the inferred one; "" if it does not.
std::string declared_mismatch(const ValueInfoProto& declared, const TensorType& inferred) {
  const auto& type = declared.type().tensor_type();
  if (!declared.type().has_tensor_type()) return "";
  const std::string is = "is " + to_string(inferred) + ", ";
  if (type.elem_type() != 0 && dtype_of(type.elem_type()) != inferred.dtype &&
      stored_dtype_of(type.elem_type()) != inferred.dtype)
    return is + "the model declares " + element_type_name(type.elem_type());
  if (!type.has_shape()) return "";
  std::string text;
  bool differs = type.shape().dim_size() != static_cast<int>(inferred.shape.size());
  for (int axis = 0; axis < type.shape().dim_size(); ++axis) {
    const auto& dim = type.shape().dim(axis);
    if (!differs && has_size(dim)) differs = dim.dim_value() != inferred.shape[axis];
    text += axis == 0 ? "" : ",";
    text += has_size(dim)             ? std::to_string(dim.dim_value())
            : dim.dim_param().empty() ? "?"
                                      : printable(dim.dim_param());
  }
  return differs ? is + "the model declares [" + text + "]" : "";
}

}  // namespace

Status add_output(ImportedModel& model, const std::string& path, const ValueInfoProto& declared,
                  OnnxValue value, bool as_stored) {
  const std::string& name = declared.name();
  if (!as_stored && is_byte(value.node->type.dtype)) {
    value.node = TRY(model.graph.add(Op::Cast, name, {value.node},
                                     with("to", std::string(to_string(DType::I32)))));
  }
  const std::string where = path + ": output '" + printable(name) + "'";
  if (value.beyond_int32)
    return Error{where + " holds " + std::to_string(*value.beyond_int32) +
                 ", must be within int32"};
  const TensorType& type = value.node->type;
  model.graph.outputs.push_back({name, value.node});
  const std::string mismatch = declared_mismatch(declared, type);
  if (!mismatch.empty()) add_warning(model.warnings, where + ": " + mismatch);
  const int32_t onnx_type = declared.type().tensor_type().elem_type();
  const bool agrees = dtype_of(onnx_type) == type.dtype;
  // An input that is handed on under its own name is declared as an input.
  model.model_dtypes.emplace(name, caller_type_name(agrees ? onnx_type : onnx_type_of(type.dtype)));
  return {};
}

}  // namespace tessera
