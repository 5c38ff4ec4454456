// SPDX-License-Identifier: Apache-2.0
#include "program/made_by.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include "popef.pb.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

using google::protobuf::internal::WireFormatLite;

// A walk over the message's own fields: one of another version need not parse as ours.
std::string compiler_version(std::span<const std::byte> metadata) {
  constexpr uint32_t kTag =
      popef::Metadata::kCompilerVersionFieldNumber << 3 | WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
  constexpr int kLongest = 64;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(metadata.data()),
                                            static_cast<int>(metadata.size()));
  while (const uint32_t tag = in.ReadTag()) {
    uint32_t size = 0;
    std::string text;
    if (tag != kTag) {
      if (!WireFormatLite::SkipField(&in, tag)) return "";
    } else if (!in.ReadVarint32(&size) || size > kLongest ||
               !in.ReadString(&text, static_cast<int>(size))) {
      return "";
    } else {
      return text;
    }
  }
  return "";
}

}  // namespace

std::string another_version(std::span<const std::byte> metadata) {
  const std::string version = compiler_version(metadata);
  if (version.empty() || version == TESSERA_VERSION || !is_plain_text(version)) return "";
  return fmt::format(
      "; Tessera {0} made the file and runs it, this is Tessera {1}: run it with {0}, or compile "
      "the "
      "model again",
      version, TESSERA_VERSION);
}

}  // namespace tessera
