// SPDX-License-Identifier: Apache-2.0
// Counts what an ONNX file would cost once protobuf has read it. The count walks the file's bytes
// before protobuf builds anything: two bytes of file can ask for an object of three hundred.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

enum class WireFile : uint8_t { Model, Tensor };  // a ModelProto, a TensorProto

struct WireCost {
  int64_t messages = 0;  // and strings of repeated fields
  int64_t nodes = 0;     // those of subgraphs and functions included
  // Bytes of memory beyond those of the file: objects, and numbers that are shorter in the file.
  int64_t beyond_bytes = 0;
};

// The share of beyond_bytes for each message of the limit: a million described nodes take half.
inline constexpr int64_t kBytesOfMessage = 128;

// Walks with a stack of its own, at most as deep as protobuf goes, and stops where a limit is
// passed. Errors start with `path`: Refused above a limit (model_bytes, messages, nodes); BadFile,
// "PATH: cannot be read, must be …", for what protobuf would not read, and for groups, which no
// ONNX file has.
Expected<WireCost> scan_wire(std::span<const std::byte> file, WireFile kind, const Limits& limits,
                             const std::string& path);

}  // namespace tessera
