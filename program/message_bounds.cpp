// SPDX-License-Identifier: Apache-2.0
#include "program/message_bounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "program/bounds.h"
#include "support/check.h"
#include "support/type.h"

namespace tessera {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr size_t kMostFields = 32;  // of one message type
// The most that a message and what we make of it may take.
constexpr int64_t kBytesPerMessage = 512;

struct Bound {
  std::string_view field;
  size_t most;
};
// Every other field is a shape.
constexpr Bound kBounds[] = {
    {"tessera.popef.Program.variables",    kMaxVariables    },
    {"tessera.popef.Program.inputs",       kMaxVariables    },
    {"tessera.popef.Program.outputs",      kMaxVariables    },
    {"tessera.popef.Program.supersteps",   kMaxSupersteps   },
    {"tessera.popef.Superstep.origin",     kMaxPerSuperstep },
    {"tessera.popef.Superstep.exchange",   kMaxPerSuperstep },
    {"tessera.popef.ComputeSet.operands",  kMaxPerSuperstep },
    {"tessera.popef.ComputeSet.params",    kMaxParams       },
    {"tessera.popef.Param.values",         kMaxPerSuperstep },
    {"tessera.popef.Metadata.anchors",     2 * kMaxVariables},
    {"tessera.popef.Packing.token_inputs", 256              },
    {"tessera.popef.Packing.outputs",      kMaxPerSuperstep },
};

size_t most_of(const FieldDescriptor& field) {
  const auto* found = std::ranges::find(kBounds, field.full_name(), &Bound::field);
  return found == std::end(kBounds) ? kMaxRank : found->most;
}

enum Wire : uint32_t { kVarint = 0, kEight = 1, kLength = 2, kFour = 5 };

class Pass {
 public:
  explicit Pass(const Limits& limits)
      : messages_(limits, &Limits::messages), memory_(limits, &Limits::memory) {}

  // The depth is the schema's, which no message of it can add to.
  Status message(std::span<const std::byte> bytes, const Descriptor& type) {
    CHECK(static_cast<size_t>(type.field_count()) <= kMostFields);
    TRY(messages_.spend(1, "its messages"));
    TRY(memory_.spend(kBytesPerMessage, "its messages"));
    std::array<size_t, kMostFields> counts{};
    while (!bytes.empty()) {
      const uint64_t tag = TRY(varint(bytes));
      const FieldDescriptor* field = type.FindFieldByNumber(static_cast<int>(tag >> 3));
      if (field == nullptr || tag >> 32 != 0)
        return Error{"must be spelled as this version writes it"};
      size_t& count = counts[static_cast<size_t>(field->index())];
      TRY(value(bytes, *field, static_cast<uint32_t>(tag & 7), count));
      if (field->is_repeated() && count > most_of(*field))
        return Error{fmt::format("has more than {} of {}, must have at most {}", most_of(*field),
                                 field->full_name(), most_of(*field))};
    }
    return {};
  }

 private:
  static Error malformed() { return Error{"is not the protobuf message that it must be"}; }

  static Expected<uint64_t> varint(std::span<const std::byte>& bytes) {
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 70 && !bytes.empty(); shift += 7) {
      const auto byte = static_cast<uint64_t>(bytes.front());
      bytes = bytes.subspan(1);
      if (shift < 64) value |= (byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return malformed();
  }

  static Expected<std::span<const std::byte>> take(std::span<const std::byte>& bytes,
                                                   uint64_t size) {
    if (size > bytes.size()) return malformed();
    const std::span<const std::byte> taken = bytes.first(size);
    bytes = bytes.subspan(size);
    return taken;
  }

  Status value(std::span<const std::byte>& bytes, const FieldDescriptor& field, uint32_t wire,
               size_t& count) {
    if (wire != kLength) ++count;
    if (wire == kVarint) return skip(varint(bytes));
    if (wire == kEight) return skip(take(bytes, 8));
    if (wire == kFour) return skip(take(bytes, 4));
    if (wire != kLength) return malformed();
    const std::span<const std::byte> content = TRY(take(bytes, TRY(varint(bytes))));
    count += count_in(content, field);
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return {};
    return message(content, *field.message_type());
  }

  template <class T>
  static Status skip(const Expected<T>& skipped) {
    if (skipped.ok()) return {};
    return skipped.error();
  }

  // Numbers may stand together in one field: eight bytes each, or as many as end a varint.
  static size_t count_in(std::span<const std::byte> content, const FieldDescriptor& field) {
    if (!field.is_packable()) return 1;
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) return content.size() / 8;
    return static_cast<size_t>(
        std::ranges::count_if(content, [](std::byte b) { return b < std::byte{0x80}; }));
  }

  Budget messages_, memory_;
};

}  // namespace

Status check_bounds(std::span<const std::byte> bytes, const google::protobuf::Descriptor& type,
                    const Limits& limits) {
  return Pass(limits).message(bytes, type);
}

}  // namespace tessera
