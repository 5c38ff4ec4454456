// SPDX-License-Identifier: Apache-2.0
// Programs and metadata as the protobuf messages of popef.proto, and back. A message that is read
// must be byte for byte the one that would be written: no unknown field, no second spelling.
#pragma once

#include <span>
#include <string>

#include "program/popef.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

std::string to_bytes(const Program& program);
Expected<Program> program_from(std::span<const std::byte> bytes,
                               const Limits& limits = {});  // not verified

// `executable` is the name of the blob that the metadata describes.
std::string to_bytes(const Metadata& metadata, const std::string& executable);
struct ReadMetadata {
  Metadata metadata;
  std::string executable;
};
Expected<ReadMetadata> metadata_from(std::span<const std::byte> bytes, const Limits& limits = {});

}  // namespace tessera
