// SPDX-License-Identifier: Apache-2.0
// The rules that a codelet has for a vertex, in the words of its row in codelets.def. They are the
// only guard between a hostile program and the compiled code, so every check() states all of it:
// parameters, number of operands, and dtype, sizes and direction of each.
#pragma once

#include <array>
#include <bit>
#include <initializer_list>
#include <string_view>
#include <type_traits>
#include <utility>

#include "codelets/abi.h"
#include "codelets/codelet.h"

namespace tessera {

enum class Accept : uint8_t { Float, Fp8, I32, Byte, Integer, Any };

inline constexpr int64_t kAnySize = -1;

struct OperandRule {
  Accept dtype = Accept::Float;
  Shape size;  // kAnySize: any size from 1 up
  bool writes = false;
};

// "matmul: WHAT": a codelet's own rule, in the words of the rules below.
Error violation(std::string_view codelet, std::string_view what);
inline OperandRule floats(Shape size) { return {.dtype = Accept::Float, .size = std::move(size)}; }
inline OperandRule ints(Shape size) { return {.dtype = Accept::I32, .size = std::move(size)}; }
inline OperandRule bytes(Shape size) { return {.dtype = Accept::Byte, .size = std::move(size)}; }
inline OperandRule written_floats(Shape size) {
  return {.dtype = Accept::Float, .size = std::move(size), .writes = true};
}

// "matmul: params are (bias), must be (bias, residual, activation)". Values must be finite and
// single; where `lists` is set they are the caller's to check.
Status check_params(std::string_view codelet, const VertexShape& shape,
                    std::initializer_list<std::string_view> names, bool lists = false);
// "matmul: activation is 1.5, must be an integer in 0..4". The param must be there.
Expected<int64_t> int_param(std::string_view codelet, const VertexShape& shape,
                            std::string_view name, int64_t low, int64_t high);
// "matmul: there are 2 operands, must be 3"
Status check_operand_count(std::string_view codelet, const VertexShape& shape, size_t count);
// "matmul: operand 1 is f16[3,2], must be float[2,*]"; the operand must be there.
Status check_operand(std::string_view codelet, const VertexShape& shape, size_t operand,
                     const OperandRule& rule);

// "gather: operand 2 is f16, must be f32 as operand 0 is"; both must be there.
Status check_same_dtype(std::string_view codelet, const VertexShape& shape, size_t operand,
                        size_t as);

inline Element element_of(DType dtype) { return static_cast<Element>(dtype); }

// The bytes of a constants struct. All members are of 8 bytes: padding would
// make keys of equal constants differ.
template <class T>
std::string bytes_of(const T& constants) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 8 == 0 && alignof(T) == 8);
  return std::string(reinterpret_cast<const char*>(&constants), sizeof constants);
}

// The constants that hold the element types of the first operands, in order, and nothing else.
template <class T>
std::string elements_of(const VertexShape& shape) {
  std::array<Element, sizeof(T) / sizeof(Element)> elements;
  for (size_t i = 0; i < elements.size(); ++i) elements[i] = element_of(shape.operands[i].dtype);
  return bytes_of(std::bit_cast<T>(elements));
}

// For bytes of state that do not depend on the shape.
template <int64_t bytes>
int64_t always(const VertexShape&) {
  return bytes;
}

}  // namespace tessera
