// SPDX-License-Identifier: Apache-2.0
// Both directions of both messages share this. Included by the two files that see protobuf.
#pragma once

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>

#include <cstring>
#include <span>
#include <string>

#include "popef.pb.h"
#include "program/message_bounds.h"
#include "support/check.h"
#include "support/expected.h"
#include "support/type.h"

namespace tessera {

// A message may take this much of a file. In memory it may take some fifty times as much
// (message_bounds.h).
inline constexpr size_t kMaxMessageBytes = size_t{16} << 20;

inline std::string serialize(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  CHECK(message.SerializeToCodedStream(&coded));
  coded.Trim();
  return bytes;
}

template <class Message>
Expected<Message> parse_message(std::span<const std::byte> bytes, const Limits& limits) {
  if (bytes.size() > kMaxMessageBytes)
    return Error{"has " + std::to_string(bytes.size()) + " bytes, must have at most " +
                 std::to_string(kMaxMessageBytes)};
  TRY(check_bounds(bytes, *Message::descriptor(), limits));
  google::protobuf::LogSilencer silencer;
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Error{"is not the protobuf message that it must be"};
  message.DiscardUnknownFields();
  const std::string again = serialize(message);
  if (again.size() != bytes.size() || std::memcmp(again.data(), bytes.data(), again.size()) != 0)
    return Error{"must be spelled as this version writes it"};
  return message;
}

template <class Repeated, class T>
void assign(Repeated* to, const std::vector<T>& from) {
  to->Assign(from.begin(), from.end());
}
template <class T, class Repeated>
std::vector<T> vector_of(const Repeated& from) {
  return std::vector<T>(from.begin(), from.end());
}

inline popef::DataType to_message(DType dtype) {
  switch (dtype) {
    case DType::F32: return popef::F32;
    case DType::F16: return popef::F16;
    case DType::I32: return popef::S32;
    case DType::Bool: return popef::BOOL;
    case DType::I8: return popef::S8;
    case DType::U8: return popef::U8;
    case DType::F143: return popef::F8143;
    case DType::F152: return popef::F8152;
  }
  return popef::F32;
}
inline Expected<DType> dtype_from(popef::DataType type) {
  switch (static_cast<int>(type)) {
    case popef::F32: return DType::F32;
    case popef::F16: return DType::F16;
    case popef::S32: return DType::I32;
    case popef::BOOL: return DType::Bool;
    case popef::S8: return DType::I8;
    case popef::U8: return DType::U8;
    case popef::F8143: return DType::F143;
    case popef::F8152: return DType::F152;
    default: return Error{"data type is " + std::to_string(type) + ", must be 0 to 7"};
  }
}

}  // namespace tessera
