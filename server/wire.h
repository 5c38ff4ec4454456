// SPDX-License-Identifier: Apache-2.0
// Tensors as the Open Inference Protocol sends them, whatever it is carried by: a name, a datatype
// in the protocol's words, a shape, and row-major bytes in this host's order (little-endian).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serving/rejection.h"
#include "support/expected.h"
#include "support/type.h"

namespace tessera::server {

enum class WireType : uint8_t {
  Bool,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Int8,
  Int16,
  Int32,
  Int64,
  Fp16,
  Fp32,
  Fp64,
  Bytes
};

std::string_view to_string(WireType type);  // "INT64"
std::optional<WireType> parse_wire_type(std::string_view word);
int64_t size_of(WireType type);  // of an element; BYTES: 0, its elements say their sizes
// The type that an anchor is declared as: the model's own ("int64"), or, where that says nothing,
// the machine's.
WireType wire_type_of(std::string_view model_dtype, DType dtype);

struct WireInput {
  std::string name;
  WireType type = WireType::Int64;
  Shape shape;
  std::span<const std::byte> bytes;  // the caller's, for the length of a call
};

struct WireOutput {
  std::string name;
  WireType type = WireType::Fp32;
  Shape shape;
  std::vector<std::byte> bytes;
};

// A request that is refused for what it holds: "request: " before the text.
Error wrong_input(std::string what, std::string_view type = rejection::kWrongInput);

// The shape is one, and the bytes are as many as it and the datatype say. Errors name the input.
Status check_input(const WireInput& input);
// The elements of a checked input of whole numbers, from element `first` on, as 32-bit integers.
// Refused: a datatype of other numbers, a value that does not fit.
Expected<std::vector<int32_t>> whole_numbers(const WireInput& input, int64_t first, int64_t count);
// Elements in the machine's dtype as elements of a wire type: whole numbers among each other,
// floats among each other.
std::vector<std::byte> to_wire(std::span<const std::byte> bytes, DType from, WireType to);

}  // namespace tessera::server
