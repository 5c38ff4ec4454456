// SPDX-License-Identifier: Apache-2.0
#include "server/infer_message.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>

#include <array>
#include <cstring>
#include <limits>

#include "server/infer_json.h"
#include "serving/rejection.h"
#include "support/half.h"

namespace tessera::server {
namespace {

using google::protobuf::io::CodedInputStream;
using Parameters = google::protobuf::Map<std::string, inference::InferParameter>;

constexpr int kMostOfField = 64;   // tensors, parameters
constexpr int kMostFields = 4096;  // of a call, its tensors and parameters together
constexpr int kBytesContents = 8;  // InferTensorContents.bytes_contents

Error malformed(std::string what) {
  return {"request: " + std::move(what), ErrorKind::Failed, refusal::kMalformed};
}

// The fields of a message, within bounds. Where Input is, `within` is asked for the kind of message
// that a field's bytes are.
enum class Kind : uint8_t { Plain, Call, Tensor, Contents };

class FieldCount {
 public:
  Status check(std::span<const std::byte> bytes, Kind kind) {
    CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                        static_cast<int>(bytes.size()));
    in.SetTotalBytesLimit(static_cast<int>(bytes.size()));
    std::array<int, 16> counts{};
    while (in.CurrentPosition() < static_cast<int>(bytes.size())) {
      const uint32_t tag = in.ReadTag();
      if (++fields_ > kMostFields)
        return Error{fmt::format("request: has more than {} fields, must send tensors as bytes or "
                                 "packed",
                                 kMostFields),
                     ErrorKind::Failed, refusal::kTooLarge};
      const uint32_t number = tag >> 3;
      if (number < counts.size() && ++counts[number] > kMostOfField && kind != Kind::Contents)
        return Error{fmt::format("request: has field {} more than {} times, must have fewer",
                                 number, kMostOfField),
                     ErrorKind::Failed, refusal::kTooLarge};
      if (kind == Kind::Contents && number == kBytesContents)
        return Error{"request: has BYTES, must have numbers", ErrorKind::Failed,
                     rejection::kWrongDtype};
      TRY(field(in, tag, kind, bytes));
    }
    return {};
  }

 private:
  static Kind kind_of(Kind outer, uint32_t number) {
    if (outer == Kind::Call && (number == 5 || number == 6)) return Kind::Tensor;
    if (outer == Kind::Tensor && number == 5) return Kind::Contents;
    return Kind::Plain;
  }

  Status field(CodedInputStream& in, uint32_t tag, Kind kind, std::span<const std::byte> bytes) {
    uint64_t number = 0;
    uint32_t size = 0;
    bool good = tag != 0;
    switch (tag & 7) {
      case 0: good = good && in.ReadVarint64(&number); break;
      case 1: good = good && in.Skip(8); break;
      case 5: good = good && in.Skip(4); break;
      case 2: {
        good = good && in.ReadVarint32(&size) &&
               size <= bytes.size() - static_cast<size_t>(in.CurrentPosition());
        if (!good) break;
        const auto part = bytes.subspan(static_cast<size_t>(in.CurrentPosition()), size);
        const Kind inner = kind_of(kind, tag >> 3);
        if (inner != Kind::Plain) TRY(check(part, inner));
        good = in.Skip(static_cast<int>(size));
        break;
      }
      default: good = false;  // groups, which this protocol does not have
    }
    if (!good) return malformed("is not the protobuf message that it must be");
    return {};
  }

  int fields_ = 0;
};

template <class T, class Values>
Status copy_contents(const std::string& name, const Values& values, std::vector<std::byte>& bytes) {
  bytes.resize(static_cast<size_t>(values.size()) * sizeof(T));
  for (int i = 0; i < values.size(); ++i) {
    const auto value = values[i];
    if constexpr (std::is_integral_v<T> && !std::is_same_v<decltype(value), const bool>) {
      if (!std::in_range<T>(value))
        return {
            Error{fmt::format("request: {} has value {} at {}, must fit its datatype", name, value,
                  i),
                  ErrorKind::Failed, rejection::kOutOfRange}
        };
    }
    const T element = static_cast<T>(value);
    std::memcpy(bytes.data() + static_cast<size_t>(i) * sizeof(T), &element, sizeof(T));
  }
  return {};
}

Status typed_contents(const std::string& name, WireType type,
                      const inference::InferTensorContents& from, std::vector<std::byte>& bytes) {
  switch (type) {
    case WireType::Bool: return copy_contents<uint8_t>(name, from.bool_contents(), bytes);
    case WireType::Int8: return copy_contents<int8_t>(name, from.int_contents(), bytes);
    case WireType::Int16: return copy_contents<int16_t>(name, from.int_contents(), bytes);
    case WireType::Int32: return copy_contents<int32_t>(name, from.int_contents(), bytes);
    case WireType::Int64: return copy_contents<int64_t>(name, from.int64_contents(), bytes);
    case WireType::Uint8: return copy_contents<uint8_t>(name, from.uint_contents(), bytes);
    case WireType::Uint16: return copy_contents<uint16_t>(name, from.uint_contents(), bytes);
    case WireType::Uint32: return copy_contents<uint32_t>(name, from.uint_contents(), bytes);
    case WireType::Uint64: return copy_contents<uint64_t>(name, from.uint64_contents(), bytes);
    case WireType::Fp32: return copy_contents<float>(name, from.fp32_contents(), bytes);
    case WireType::Fp64: return copy_contents<double>(name, from.fp64_contents(), bytes);
    case WireType::Fp16:
    case WireType::Bytes: break;
  }
  return Error{
      fmt::format("request: {} is {}, must be sent as raw_input_contents", name, to_string(type)),
      ErrorKind::Failed, rejection::kWrongDtype};
}

Expected<uint64_t> whole_parameter(const Parameters& parameters, const char* name) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return uint64_t{0};
  const inference::InferParameter& value = found->second;
  if (value.has_uint64_param()) return value.uint64_param();
  if (value.has_int64_param() && value.int64_param() >= 0)
    return static_cast<uint64_t>(value.int64_param());
  return malformed(fmt::format("parameter {} must be a whole number of at least 0", name));
}

Expected<WireInput> read_input(const inference::ModelInferRequest& message, int i,
                               std::deque<std::vector<std::byte>>& buffers) {
  constexpr size_t kMostShown = 80;
  const auto& tensor = message.inputs(i);
  const auto type = parse_wire_type(tensor.datatype());
  if (!type) {
    return Error{
        fmt::format("request: {} has datatype '{}', must be one of the protocol's",
                    tensor.name().substr(0, kMostShown), tensor.datatype().substr(0, kMostShown)),
        ErrorKind::Failed, rejection::kWrongDtype};
  }
  WireInput input{tensor.name().substr(0, 4096),
                  *type,
                  Shape(tensor.shape().begin(), tensor.shape().end()),
                  {}};
  if (message.raw_input_contents_size() > 0) {
    if (tensor.has_contents())
      return malformed("has raw_input_contents, must have no contents beside them");
    const std::string& raw = message.raw_input_contents(i);
    input.bytes = std::as_bytes(std::span(raw));
    return input;
  }
  buffers.emplace_back();
  TRY(typed_contents(input.name.substr(0, kMostShown), *type, tensor.contents(), buffers.back()));
  input.bytes = buffers.back();
  return input;
}

}  // namespace

Status check_infer_message(std::span<const std::byte> bytes) {
  return FieldCount().check(bytes, Kind::Call);
}

Expected<InferCall> read_infer_message(const inference::ModelInferRequest& message,
                                       std::deque<std::vector<std::byte>>& buffers) {
  InferCall call;
  call.model = message.model_name();
  call.version = message.model_version();
  call.id = message.id();
  if (message.parameters().contains("sequence_id"))
    return Error{"request: is one of a sequence, must stand alone", ErrorKind::Failed,
                 refusal::kUnsupported};
  call.priority = TRY(whole_parameter(message.parameters(), "priority"));
  const uint64_t timeout = TRY(whole_parameter(message.parameters(), "timeout"));
  call.timeout = std::chrono::microseconds(
      std::min<uint64_t>(timeout, std::numeric_limits<int64_t>::max() / 1000));
  const auto explain = message.parameters().find("explain");
  call.explain = explain != message.parameters().end() && explain->second.bool_param();
  if (message.raw_input_contents_size() > 0 &&
      message.raw_input_contents_size() != message.inputs_size())
    return malformed(fmt::format("has {} raw_input_contents, must have {}, one an input",
                                 message.raw_input_contents_size(), message.inputs_size()));
  for (int i = 0; i < message.inputs_size(); ++i)
    call.inputs.push_back(TRY(read_input(message, i, buffers)));
  for (const auto& output : message.outputs()) {
    if (output.parameters().contains("classification"))
      return Error{"request: asks for classification, which is not there", ErrorKind::Failed,
                   refusal::kUnsupported};
    call.outputs.push_back(output.name());
  }
  return call;
}

void write_infer_message(const InferResult& result, const InferCall& call,
                         inference::ModelInferResponse& message) {
  message.set_model_name(result.model);
  message.set_model_version(result.version);
  message.set_id(call.id);
  if (call.explain) (*message.mutable_parameters())["rides"].set_string_param(explained(result));
  for (const WireOutput& output : result.outputs) {
    auto& tensor = *message.add_outputs();
    tensor.set_name(output.name);
    tensor.set_datatype(std::string(to_string(output.type)));
    for (const int64_t size : output.shape) tensor.add_shape(size);
    message.add_raw_output_contents(output.bytes.data(), output.bytes.size());
  }
}

}  // namespace tessera::server
