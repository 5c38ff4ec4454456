// SPDX-License-Identifier: Apache-2.0
// Element types and shapes: all that the layers below the Graph know of a tensor.
//
// There is no 64-bit integer: the machine has none, so int64 becomes int32 at import, checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// I8 and U8 hold quantized numbers, F143 and F152 floats of 8 bits (support/fp8.h). They are made,
// moved, widened and multiplied, and nothing else.
enum class DType : uint8_t { F32, F16, I32, Bool, I8, U8, F143, F152 };

constexpr int64_t size_of(DType dtype) {
  switch (dtype) {
    case DType::F32: return 4;
    case DType::F16: return 2;
    case DType::I32: return 4;
    case DType::Bool:
    case DType::I8:
    case DType::U8:
    case DType::F143:
    case DType::F152: return 1;
  }
  return 0;
}
constexpr bool is_float(DType dtype) { return dtype == DType::F32 || dtype == DType::F16; }
// Not among is_float: arithmetic on them goes through wider floats.
constexpr bool is_fp8(DType dtype) { return dtype == DType::F143 || dtype == DType::F152; }
constexpr bool is_byte(DType dtype) { return dtype == DType::I8 || dtype == DType::U8; }
// The ends of a quantized type.
constexpr int32_t least_of(DType byte) { return byte == DType::I8 ? -128 : 0; }
constexpr int32_t greatest_of(DType byte) { return byte == DType::I8 ? 127 : 255; }

std::string_view to_string(DType dtype);  // "f32", "f16", "i32", "f143" …
std::optional<DType> parse_dtype(std::string_view text);

// The formats of fp8 of a matmul's input and weight, and the powers of two that their codes count.
struct Fp8Params {
  DType input = DType::F143, weight = DType::F143;
  int64_t input_scale = -1, weight_scale = -1;
  bool operator==(const Fp8Params&) const = default;
};

// Row-major, outermost first. No dimension is negative; a scalar has none.
using Shape = std::vector<int64_t>;

// More than this in one tensor is refused wherever a size comes from outside.
inline constexpr int kMaxRank = 8;
inline constexpr int64_t kMaxElements = int64_t{1} << 40;

// Number of elements. The shape must have passed is_valid_shape where it came from outside.
int64_t elements(const Shape& shape);
// True if every dimension is >= 0, the rank is at most kMaxRank, and the product of those that are
// not 0 at most kMaxElements (computed without overflow).
bool is_valid_shape(const Shape& shape);
Shape row_major_strides(const Shape& shape);  // in elements
std::string to_string(const Shape& shape);    // "[2,3]"

struct TensorType {
  DType dtype = DType::F32;
  Shape shape;
  bool operator==(const TensorType&) const = default;
  int64_t bytes() const { return elements(shape) * size_of(dtype); }
};
std::string to_string(const TensorType& type);  // "f16[2,3]"

}  // namespace tessera
