// SPDX-License-Identifier: Apache-2.0
#include "server/infer_json.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "server/infer_sax.h"
#include "serving/rejection.h"
#include "support/half.h"

namespace tessera::server {
namespace {

Error malformed_json(std::string what, std::string_view type = refusal::kMalformed) {
  return wrong_input(std::move(what), type);
}

std::string shown(std::string_view text) {
  constexpr size_t kMost = 80;
  return std::string(text.substr(0, kMost));
}

// --- Reading ---

Expected<uint64_t> whole_parameter(const JsonParameters& parameters, std::string_view name) {
  const JsonScalar* value = find_parameter(parameters, name);
  if (value == nullptr) return uint64_t{0};
  if (const auto* whole = std::get_if<int64_t>(value); whole != nullptr && *whole >= 0)
    return static_cast<uint64_t>(*whole);
  return malformed_json(fmt::format("parameter {} must be a whole number of at least 0", name));
}

Expected<bool> truth_parameter(const JsonParameters& parameters, std::string_view name) {
  const JsonScalar* value = find_parameter(parameters, name);
  if (value == nullptr) return false;
  if (const auto* truth = std::get_if<bool>(value)) return *truth;
  return malformed_json(fmt::format("parameter {} must be true or false", name));
}

template <class T>
Status put_whole(const JsonTensor& tensor, std::vector<std::byte>& bytes) {
  bytes.resize(tensor.data.whole.size() * sizeof(T));
  for (size_t i = 0; i < tensor.data.whole.size(); ++i) {
    const int64_t value = tensor.data.whole[i];
    if (!std::in_range<T>(value)) {
      return malformed_json(fmt::format("{} has value {} at {}, must be {}", shown(tensor.name),
                                        value, i, tensor.datatype),
                            rejection::kOutOfRange);
    }
    const T element = static_cast<T>(value);
    std::memcpy(bytes.data() + i * sizeof(T), &element, sizeof(T));
  }
  return {};
}

template <class T, class Convert>
void put_reals(const JsonData& data, std::vector<std::byte>& bytes, Convert convert) {
  const size_t count = data.is_real ? data.real.size() : data.whole.size();
  bytes.resize(count * sizeof(T));
  for (size_t i = 0; i < count; ++i) {
    const T element = convert(data.is_real ? data.real[i] : static_cast<double>(data.whole[i]));
    std::memcpy(bytes.data() + i * sizeof(T), &element, sizeof(T));
  }
}

Status put_data(const JsonTensor& tensor, WireType type, std::vector<std::byte>& bytes) {
  const JsonData& data = tensor.data;
  const std::string name = shown(tensor.name);
  if (data.has_texts || data.has_nothing || type == WireType::Bytes)
    return malformed_json(name + " has words or nulls, must have numbers", rejection::kWrongDtype);
  const bool is_whole = type < WireType::Fp16;
  if (is_whole && data.is_real) {
    return malformed_json(
        fmt::format("{} has numbers that are not whole or past 64 bits, must be {}", name,
                    tensor.datatype),
        rejection::kOutOfRange);
  }
  switch (type) {
    case WireType::Bool:
    case WireType::Uint8: return put_whole<uint8_t>(tensor, bytes);
    case WireType::Uint16: return put_whole<uint16_t>(tensor, bytes);
    case WireType::Uint32: return put_whole<uint32_t>(tensor, bytes);
    case WireType::Uint64: return put_whole<uint64_t>(tensor, bytes);
    case WireType::Int8: return put_whole<int8_t>(tensor, bytes);
    case WireType::Int16: return put_whole<int16_t>(tensor, bytes);
    case WireType::Int32: return put_whole<int32_t>(tensor, bytes);
    case WireType::Int64: return put_whole<int64_t>(tensor, bytes);
    case WireType::Fp16:
      put_reals<uint16_t>(data, bytes, [](double v) { return to_half(v); });
      break;
    case WireType::Fp32:
      put_reals<float>(data, bytes, [](double v) { return static_cast<float>(v); });
      break;
    case WireType::Fp64: put_reals<double>(data, bytes, [](double v) { return v; }); break;
    case WireType::Bytes: break;
  }
  return {};
}

// Flat, or nested as the shape says.
Status check_nesting(const JsonTensor& tensor) {
  const std::vector<int64_t>& lengths = tensor.data.lengths;
  if (lengths.size() <= 1 || lengths == *tensor.shape) return {};
  return malformed_json(
      fmt::format("{} has data that is nested otherwise than its shape {}, must be as it, "
                  "or flat",
                  shown(tensor.name), tessera::to_string(*tensor.shape)),
      rejection::kWrongInput);
}

// Takes tensors off the bytes behind the JSON, in order.
class Tail {
 public:
  explicit Tail(std::string_view bytes) : bytes_(bytes) {}
  bool is_empty() const { return bytes_.empty(); }
  Expected<std::span<const std::byte>> take(const std::string& name, uint64_t size) {
    if (size > bytes_.size()) {
      return malformed_json(
          fmt::format("{} has binary_data_size {}, must be within the {} bytes that are left "
                      "behind the JSON",
                      shown(name), size, bytes_.size()));
    }
    const auto part = std::as_bytes(std::span(bytes_.substr(0, size)));
    bytes_.remove_prefix(size);
    return part;
  }

 private:
  std::string_view bytes_;
};

Status add_input(const JsonTensor& tensor, Tail& tail, RestCall& out) {
  const std::string name = shown(tensor.name);
  if (tensor.name.empty()) return malformed_json("an input has no name, must have one");
  const auto type = parse_wire_type(tensor.datatype);
  if (!type) {
    return malformed_json(
        fmt::format("{} has datatype '{}', must be one of the protocol's (INT64, INT32, …)", name,
                    shown(tensor.datatype)),
        rejection::kWrongDtype);
  }
  if (!tensor.shape) return malformed_json(name + " has no shape, must have one");
  WireInput input{tensor.name, *type, *tensor.shape, {}};
  if (find_parameter(tensor.parameters, "shared_memory_region") != nullptr)
    return malformed_json(name + " is in shared memory, must be in the request",
                          refusal::kUnsupported);
  const bool is_binary = find_parameter(tensor.parameters, "binary_data_size") != nullptr;
  if (is_binary == tensor.data.is_given)
    return malformed_json(name + " must have either data or a binary_data_size");
  if (is_binary) {
    const uint64_t size = TRY(whole_parameter(tensor.parameters, "binary_data_size"));
    input.bytes = TRY(tail.take(tensor.name, size));
  } else {
    TRY(check_nesting(tensor));
    out.buffers.emplace_back();
    TRY(put_data(tensor, *type, out.buffers.back()));
    input.bytes = out.buffers.back();
  }
  out.call.inputs.push_back(std::move(input));
  return {};
}

Status add_output(const JsonTensor& tensor, RestCall& out) {
  if (tensor.name.empty()) return malformed_json("an output has no name, must have one");
  for (const char* name : {"classification", "shared_memory_region"})
    if (find_parameter(tensor.parameters, name) != nullptr)
      return malformed_json(fmt::format("{} asks for {}, which is not there, must be left out",
                                        shown(tensor.name), name),
                            refusal::kUnsupported);
  const bool is_said = find_parameter(tensor.parameters, "binary_data") != nullptr;
  const bool binary = TRY(truth_parameter(tensor.parameters, "binary_data"));
  out.call.outputs.push_back(tensor.name);
  out.binary.push_back(is_said ? binary : out.all_binary);
  return {};
}

// --- Writing ---

void append_text(std::string& out, const std::string& text) {
  out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

template <class T>
void append_numbers(std::string& out, std::span<const std::byte> bytes) {
  char digits[64];
  for (size_t at = 0; at < bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof(T));
    if (at > 0) out += ',';
    if constexpr (std::is_floating_point_v<T>) {
      if (!std::isfinite(value)) {  // JSON has no word for these
        out += "null";
        continue;
      }
    }
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out.append(digits, end);
  }
}

void append_half(std::string& out, std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / 2);
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t half;
    std::memcpy(&half, bytes.data() + 2 * i, 2);
    values[i] = from_half(half);
  }
  append_numbers<float>(out, std::as_bytes(std::span(values)));
}

void append_truths(std::string& out, std::span<const std::byte> bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) out += ',';
    out += bytes[i] != std::byte{0} ? "true" : "false";
  }
}

void append_data(std::string& out, const WireOutput& output) {
  switch (output.type) {
    case WireType::Bool: return append_truths(out, output.bytes);
    case WireType::Uint8: return append_numbers<uint8_t>(out, output.bytes);
    case WireType::Uint16: return append_numbers<uint16_t>(out, output.bytes);
    case WireType::Uint32: return append_numbers<uint32_t>(out, output.bytes);
    case WireType::Uint64: return append_numbers<uint64_t>(out, output.bytes);
    case WireType::Int8: return append_numbers<int8_t>(out, output.bytes);
    case WireType::Int16: return append_numbers<int16_t>(out, output.bytes);
    case WireType::Int32: return append_numbers<int32_t>(out, output.bytes);
    case WireType::Int64: return append_numbers<int64_t>(out, output.bytes);
    case WireType::Fp16: return append_half(out, output.bytes);
    case WireType::Fp32: return append_numbers<float>(out, output.bytes);
    case WireType::Fp64: return append_numbers<double>(out, output.bytes);
    case WireType::Bytes: return;
  }
}

}  // namespace

Expected<RestCall> read_infer_json(std::string_view body, size_t json_bytes,
                                   const JsonLimits& limits) {
  const JsonCall json = TRY(read_json_call(body.substr(0, json_bytes), limits));
  RestCall out;
  out.call.id = json.id;
  if (!json.has_inputs) return malformed_json("has no inputs, must have a list of them");
  if (find_parameter(json.parameters, "sequence_id") != nullptr)
    return malformed_json("is one of a sequence, must stand alone", refusal::kUnsupported);
  out.call.priority = TRY(whole_parameter(json.parameters, "priority"));
  const uint64_t timeout = TRY(whole_parameter(json.parameters, "timeout"));
  out.call.timeout = std::chrono::microseconds(
      std::min<uint64_t>(timeout, std::numeric_limits<int64_t>::max() / 1000));
  out.call.explain = TRY(truth_parameter(json.parameters, "explain"));
  out.all_binary = TRY(truth_parameter(json.parameters, "binary_data_output"));
  Tail tail(body.substr(json_bytes));
  for (const JsonTensor& tensor : json.inputs) TRY(add_input(tensor, tail, out));
  if (!tail.is_empty())
    return malformed_json("has more bytes behind the JSON than its tensors, must have as many");
  for (const JsonTensor& tensor : json.outputs) TRY(add_output(tensor, out));
  return out;
}

RestAnswer write_infer_json(const InferResult& result, const RestCall& call) {
  RestAnswer answer;
  std::string& out = answer.body;
  std::vector<const WireOutput*> binary;
  out = "{\"model_name\":";
  append_text(out, result.model);
  out += ",\"model_version\":";
  append_text(out, result.version);
  if (!call.call.id.empty()) {
    out += ",\"id\":";
    append_text(out, call.call.id);
  }
  if (call.call.explain) {
    out += ",\"parameters\":{\"rides\":";
    append_text(out, explained(result));
    out += '}';
  }
  out += ",\"outputs\":[";
  for (size_t i = 0; i < result.outputs.size(); ++i) {
    const WireOutput& output = result.outputs[i];
    out += i > 0 ? ",{\"name\":" : "{\"name\":";
    append_text(out, output.name);
    out += fmt::format(",\"datatype\":\"{}\",\"shape\":[{}],", to_string(output.type),
                       fmt::join(output.shape, ","));
    if (i < call.binary.size() ? call.binary[i] : call.all_binary) {
      out += fmt::format("\"parameters\":{{\"binary_data_size\":{}}}}}", output.bytes.size());
      binary.push_back(&output);
    } else {
      out += "\"data\":[";
      append_data(out, output);
      out += "]}";
    }
  }
  out += "]}";
  answer.json_bytes = out.size();
  for (const WireOutput* output : binary)
    out.append(reinterpret_cast<const char*>(output->bytes.data()), output->bytes.size());
  return answer;
}

std::string explained(const InferResult& result) {
  const auto us = [](std::chrono::nanoseconds time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  };
  std::string out = "[";
  for (const RowRide& row : result.rides) {
    const Ride& ride = row.ride;
    out += fmt::format(
        R"({}{{"batch":{},"reason":"{}","requests":{},"tokens":{},"cells":{},"queue_us":{},)"
        R"("pack_us":{},"run_us":{},"modelled_us":{:.3f}}})",
        out.size() > 1 ? "," : "", row.batch, to_string(ride.reason), ride.requests, ride.tokens,
        ride.cells, us(ride.queue), us(ride.pack), us(ride.run), result.modelled_seconds * 1e6);
  }
  return out + "]";
}

}  // namespace tessera::server
