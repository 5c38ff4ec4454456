// SPDX-License-Identifier: Apache-2.0
#include "support/type.h"

namespace tessera {

std::string_view to_string(DType dtype) {
  switch (dtype) {
    case DType::F32: return "f32";
    case DType::F16: return "f16";
    case DType::I32: return "i32";
    case DType::Bool: return "bool";
    case DType::I8: return "i8";
    case DType::U8: return "u8";
    case DType::F143: return "f143";
    case DType::F152: return "f152";
  }
  return "?";
}

std::optional<DType> parse_dtype(std::string_view text) {
  for (DType dtype : {DType::F32, DType::F16, DType::I32, DType::Bool, DType::I8, DType::U8,
                      DType::F143, DType::F152})
    if (to_string(dtype) == text) return dtype;
  return std::nullopt;
}

int64_t elements(const Shape& shape) {
  int64_t count = 1;
  for (int64_t dim : shape) count *= dim;
  return count;
}

bool is_valid_shape(const Shape& shape) {
  if (shape.size() > kMaxRank) return false;
  int64_t count = 1;
  for (int64_t dim : shape) {
    if (dim < 0) return false;
    if (dim == 0) continue;  // strides are products too, so the others are bounded all the same
    if (count > kMaxElements / dim) return false;
    count *= dim;
  }
  return true;
}

Shape row_major_strides(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
  return text + "]";
}

std::string to_string(const TensorType& type) {
  return std::string(to_string(type.dtype)) + to_string(type.shape);
}

}  // namespace tessera
