// SPDX-License-Identifier: Apache-2.0
// Protobuf messages as trees of fields, without their classes: a schema says which fields are
// messages, and mutators change, move, copy and drop fields, so that what they make is still a
// message of its type.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/random.h"

namespace tessera::fuzz {

enum class WireKind : uint8_t { Integer, Fixed32, Fixed64, Text, Bytes, Packed, Message };

struct WireSchema;
struct WireFieldSchema {
  uint32_t number;
  WireKind kind;
  const WireSchema* message = nullptr;
};
struct WireSchema {
  std::string_view name;
  std::vector<WireFieldSchema> fields;
};
const WireSchema& onnx_model_schema();
const WireSchema& onnx_tensor_schema();
const WireSchema& popef_metadata_schema();
const WireSchema& infer_request_schema();

struct WireField {
  uint32_t number = 0;
  uint8_t type = 0;        // of the wire: 0 varint, 1 eight bytes, 2 bytes, 5 four bytes
  uint64_t value = 0;      // of 0, 1, 5
  std::string bytes = {};  // of 2, unless it is a message
  std::vector<WireField> fields = {};
  const WireSchema* message = nullptr;
};

// Nothing where the bytes are not fields. A field that should be a message and is not stays bytes.
std::optional<std::vector<WireField>> parse_wire(std::string_view bytes, const WireSchema& schema);
std::string wire_bytes(const std::vector<WireField>& fields);

// One change of the message; `words` are strings that such messages hold, beside its own.
std::string mutate_wire(std::string_view bytes, const WireSchema& schema,
                        std::span<const std::string> words, Random& random);

}  // namespace tessera::fuzz
