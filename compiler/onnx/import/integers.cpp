// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/integers.h"

#include <algorithm>
#include <string>

#include "compiler/onnx/names.h"
#include "compiler/onnx/tensor.h"

namespace tessera {

std::optional<int64_t> wide_operand(const OnnxOp& op, const Call& call) {
  const size_t values = op.flags & kTakesBounds ? 1 : call.inputs();  // bounds are not results
  for (size_t i = 0; i < std::min(values, call.inputs()); ++i)
    if (call.value(i).beyond_int32) return call.value(i).beyond_int32;
  return std::nullopt;
}
Status check_wide(const OnnxOp& op, const Call& call) {
  const auto wide = wide_operand(op, call);
  if (!wide || op.flags & (kMovesValues | kTakesBounds)) return {};
  return call.error("an operand holds " + std::to_string(*wide) + ", must be within int32");
}

int32_t narrow_type(const Call& call) {
  for (size_t i = 0; i < call.inputs(); ++i) {
    const int32_t type = call.value(i).onnx_type;
    if (type == ::onnx::TensorProto::UINT8 || type == ::onnx::TensorProto::INT8) return type;
  }
  return ::onnx::TensorProto::UNDEFINED;
}
Status check_narrow(const OnnxOp& op, const Call& call, const OnnxValue& result) {
  constexpr unsigned kExact = kMovesValues | kTakesBounds | kTakesNarrow;
  const int32_t narrow = narrow_type(call);
  const bool exact = op.flags & kExact || result.node->type.dtype == DType::Bool;
  if (exact || narrow == ::onnx::TensorProto::UNDEFINED) return {};
  return call.error("an operand is of " + element_type_name(narrow) +
                    ", must be cast to int32 or a float before it is computed with");
}

}  // namespace tessera
