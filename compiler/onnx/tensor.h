// SPDX-License-Identifier: Apache-2.0
// TensorProto to Tensor. Bytes are shared with the file wherever they already are what we want;
// int64 becomes int32; double and bfloat16 become float, the latter exactly.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "compiler/onnx/external_data.h"
#include "ir/tensor.h"
#include "onnx.pb.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

// "float32", "int64" …: ONNX's element types as NumPy calls them.
std::string element_type_name(int32_t onnx_type);
// The same for arrays that callers give and get: float32 for bfloat16, which NumPy does not have.
std::string caller_type_name(int32_t onnx_type);
// How we hold elements of that type, if we do: int64 as i32, double and bfloat16 as f32. Of 8 bits
// it is i32, which all but quantized numbers are computed in.
std::optional<DType> dtype_of(int32_t onnx_type);
// The same for what is read as it is: int8 as i8, uint8 as u8.
std::optional<DType> stored_dtype_of(int32_t onnx_type);
// The ONNX type that is ours: f32 is FLOAT.
int32_t onnx_type_of(DType dtype);

struct ReadTensor {
  Tensor tensor;
  int32_t onnx_type = 0;
  // An int64 element that int32 does not hold; the tensor has the nearest that it does.
  std::optional<int64_t> beyond_int32;
};

class TensorReader {
 public:
  // Many tensors may name the same external bytes, so what conversion copies is held against the
  // memory limit, apart from the size of the files.
  TensorReader(const std::string& model_path, std::shared_ptr<const void> owner,
               const Limits& limits)
      : owner_(std::move(owner)), external_(model_path, limits.trusted_folders), limits_(limits) {}

  // Errors say `tensor 'NAME': …`. `proto` must belong to the owner.
  Expected<ReadTensor> read(const ::onnx::TensorProto& proto);
  // As the dense tensor that it stands for; its name is that of the values.
  Expected<ReadTensor> read(const ::onnx::SparseTensorProto& proto);
  const ExternalData& external() const { return external_; }

 private:
  std::shared_ptr<const void> owner_;
  ExternalData external_;
  Limits limits_;
  int64_t copied_bytes_ = 0;
};

}  // namespace tessera
