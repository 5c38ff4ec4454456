// SPDX-License-Identifier: Apache-2.0
#include "server/wire.h"

#include <fmt/format.h>

#include <limits>

#include "serving/rejection.h"
#include "support/elements.h"
#include "support/fp8.h"
#include "support/half.h"

namespace tessera::server {
namespace {

struct TypeRow {
  WireType type;
  std::string_view word;
  int64_t size;
  std::string_view model_dtype;
};
constexpr std::array kTypes = {
    TypeRow{WireType::Bool,   "BOOL",   1, "bool"   },
    TypeRow{WireType::Uint8,  "UINT8",  1, "uint8"  },
    TypeRow{WireType::Uint16, "UINT16", 2, "uint16" },
    TypeRow{WireType::Uint32, "UINT32", 4, "uint32" },
    TypeRow{WireType::Uint64, "UINT64", 8, "uint64" },
    TypeRow{WireType::Int8,   "INT8",   1, "int8"   },
    TypeRow{WireType::Int16,  "INT16",  2, "int16"  },
    TypeRow{WireType::Int32,  "INT32",  4, "int32"  },
    TypeRow{WireType::Int64,  "INT64",  8, "int64"  },
    TypeRow{WireType::Fp16,   "FP16",   2, "float16"},
    TypeRow{WireType::Fp32,   "FP32",   4, "float32"},
    TypeRow{WireType::Fp64,   "FP64",   8, "float64"},
    TypeRow{WireType::Bytes,  "BYTES",  0, "string" },
};

const TypeRow& row_of(WireType type) { return kTypes[static_cast<size_t>(type)]; }

Error wrong_tensor(const WireInput& input, const std::string& what, std::string_view type) {
  constexpr size_t kMostOfName = 80;  // a caller chooses it
  return wrong_input(input.name.substr(0, kMostOfName) + what, type);
}

template <class T>
Expected<std::vector<int32_t>> converted(const WireInput& input, int64_t first, int64_t count) {
  std::vector<int32_t> out(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const T value = load_element<T>(input.bytes, first + i);
    if (!std::in_range<int32_t>(value)) {
      return wrong_tensor(input,
                          fmt::format(" has value {} at {}, must fit 32 bits", value, first + i),
                          rejection::kOutOfRange);
    }
    out[static_cast<size_t>(i)] = static_cast<int32_t>(value);
  }
  return out;
}

template <class From, class To, class Convert>
std::vector<std::byte> each(std::span<const std::byte> bytes, Convert convert) {
  const size_t count = bytes.size() / sizeof(From);
  std::vector<std::byte> out(count * sizeof(To));
  for (int64_t i = 0; i < static_cast<int64_t>(count); ++i) {
    const To value = convert(load_element<From>(bytes, i));
    store_element<To>(out, i, value);
  }
  return out;
}

double as_real(std::span<const std::byte> bytes, DType from, int64_t i) {
  switch (from) {
    case DType::F32: return load_element<float>(bytes, i);
    case DType::F16: return from_half(load_element<uint16_t>(bytes, i));
    case DType::I32: return load_element<int32_t>(bytes, i);
    case DType::I8: return load_element<int8_t>(bytes, i);
    case DType::Bool:
    case DType::U8: return load_element<uint8_t>(bytes, i);
    case DType::F143:
    case DType::F152: return from_fp8(from, load_element<uint8_t>(bytes, i));
  }
  return 0;
}

// Every number of the machine is exact as a double.
template <class To, class Convert>
std::vector<std::byte> through_reals(std::span<const std::byte> bytes, DType from,
                                     Convert convert) {
  const int64_t count = std::ssize(bytes) / tessera::size_of(from);
  std::vector<std::byte> out(static_cast<size_t>(count) * sizeof(To));
  for (int64_t i = 0; i < count; ++i) {
    const To value = convert(as_real(bytes, from, i));
    store_element<To>(out, i, value);
  }
  return out;
}

}  // namespace

Error wrong_input(std::string what, std::string_view type) {
  constexpr size_t kMost = 1024;  // names in it are the caller's, and may be as long as a body
  if (what.size() > kMost) what.resize(kMost);
  return {"request: " + std::move(what), ErrorKind::Failed, type};
}

std::string_view to_string(WireType type) { return row_of(type).word; }
int64_t size_of(WireType type) { return row_of(type).size; }

std::optional<WireType> parse_wire_type(std::string_view word) {
  for (const TypeRow& row : kTypes)
    if (row.word == word) return row.type;
  return {};
}

WireType wire_type_of(std::string_view model_dtype, DType dtype) {
  const bool whole = !is_float(dtype);
  for (const TypeRow& row : kTypes) {
    const bool same_kind =
        row.type == WireType::Bytes ? false : (row.type < WireType::Fp16) == whole;
    if (row.model_dtype == model_dtype && same_kind) return row.type;
  }
  switch (dtype) {
    case DType::F32: return WireType::Fp32;
    case DType::F16: return WireType::Fp16;
    case DType::I32: return WireType::Int32;
    case DType::Bool: return WireType::Bool;
    case DType::I8: return WireType::Int8;
    case DType::U8:
    case DType::F143:
    case DType::F152: return WireType::Uint8;  // codes
  }
  return WireType::Fp32;
}

Status check_input(const WireInput& input) {
  if (!is_valid_shape(input.shape)) {
    return wrong_tensor(
        input,
        fmt::format(" has a shape of {} dimensions that is not one, must have at most {} "
                    "of at least 0, and at most 2^40 elements",
                    input.shape.size(), kMaxRank),
        rejection::kWrongInput);
  }
  if (input.type == WireType::Bytes)
    return wrong_tensor(input, " is BYTES, must be numbers", rejection::kWrongDtype);
  const int64_t must = elements(input.shape) * size_of(input.type);
  if (std::ssize(input.bytes) == must) return {};
  return wrong_tensor(input,
                      fmt::format(" has {} bytes, must have {} for {} {}", input.bytes.size(), must,
                                  to_string(input.type), tessera::to_string(input.shape)),
                      rejection::kWrongInput);
}

Expected<std::vector<int32_t>> whole_numbers(const WireInput& input, int64_t first, int64_t count) {
  switch (input.type) {
    case WireType::Bool:
    case WireType::Uint8: return converted<uint8_t>(input, first, count);
    case WireType::Uint16: return converted<uint16_t>(input, first, count);
    case WireType::Uint32: return converted<uint32_t>(input, first, count);
    case WireType::Uint64: return converted<uint64_t>(input, first, count);
    case WireType::Int8: return converted<int8_t>(input, first, count);
    case WireType::Int16: return converted<int16_t>(input, first, count);
    case WireType::Int32: return converted<int32_t>(input, first, count);
    case WireType::Int64: return converted<int64_t>(input, first, count);
    case WireType::Fp16:
    case WireType::Fp32:
    case WireType::Fp64:
    case WireType::Bytes: break;
  }
  return wrong_tensor(
      input, fmt::format(" is {}, must be whole numbers (INT64, INT32, …)", to_string(input.type)),
      rejection::kWrongDtype);
}

std::vector<std::byte> to_wire(std::span<const std::byte> bytes, DType from, WireType to) {
  const bool same = (from == DType::F32 && to == WireType::Fp32) ||
                    (from == DType::F16 && to == WireType::Fp16) ||
                    (from == DType::I32 && to == WireType::Int32) ||
                    (from == DType::Bool && to == WireType::Bool);
  if (same) return {bytes.begin(), bytes.end()};
  if (from == DType::F16 && to == WireType::Fp32)
    return each<uint16_t, float>(bytes, [](uint16_t half) { return from_half(half); });
  // The value is a whole number: where it does not fit the type, the host cuts it.
  const auto as = [](auto type) {
    return [](double value) { return static_cast<decltype(type)>(static_cast<int64_t>(value)); };
  };
  switch (to) {
    case WireType::Bool:
    case WireType::Uint8: return through_reals<uint8_t>(bytes, from, as(uint8_t{}));
    case WireType::Uint16: return through_reals<uint16_t>(bytes, from, as(uint16_t{}));
    case WireType::Uint32: return through_reals<uint32_t>(bytes, from, as(uint32_t{}));
    case WireType::Uint64: return through_reals<uint64_t>(bytes, from, as(uint64_t{}));
    case WireType::Int8: return through_reals<int8_t>(bytes, from, as(int8_t{}));
    case WireType::Int16: return through_reals<int16_t>(bytes, from, as(int16_t{}));
    case WireType::Int32: return through_reals<int32_t>(bytes, from, as(int32_t{}));
    case WireType::Int64: return through_reals<int64_t>(bytes, from, as(int64_t{}));
    case WireType::Fp16:
      return through_reals<uint16_t>(bytes, from, [](double value) { return to_half(value); });
    case WireType::Fp32:
      return through_reals<float>(bytes, from, [](double v) { return static_cast<float>(v); });
    case WireType::Fp64: return through_reals<double>(bytes, from, [](double v) { return v; });
    case WireType::Bytes: break;
  }
  return {};
}

}  // namespace tessera::server
