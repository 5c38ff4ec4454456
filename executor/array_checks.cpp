// SPDX-License-Identifier: Apache-2.0
#include "executor/array_checks.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "executor/rejection.h"
#include "support/elements.h"
#include "support/half.h"

namespace tessera {
namespace {

Error bad_value(const Anchor& anchor, const std::string& value, int64_t i,
                const std::string& must) {
  return Error{anchor.name + ": value " + value + " at " + place_in(anchor.shape, i) +
                   ", must be in " + must,
               ErrorKind::Failed, rejection::kOutOfRange};
}

enum class Wide : uint8_t { No, Int64, Float32, Bool, Int8, UInt8 };

// The difference between the array and the anchor, or an error if the machine cannot take the
// array.
Expected<Wide> width_of(const Anchor& anchor, const InputView& view) {
  const bool i32 = anchor.dtype == DType::I32, f16 = anchor.dtype == DType::F16;
  if (i32 && view.dtype == DType::I32 && view.wide) return Wide::Int64;
  if (i32 && view.dtype == DType::Bool && !view.wide) return Wide::Bool;
  if (i32 && view.dtype == DType::I8 && !view.wide) return Wide::Int8;
  if (i32 && view.dtype == DType::U8 && !view.wide) return Wide::UInt8;
  if (f16 && view.dtype == DType::F16 && view.wide) return Wide::Float32;
  if (f16 && view.dtype == DType::F32 && !view.wide) return Wide::Float32;
  if (view.dtype == anchor.dtype && !view.wide) return Wide::No;
  const std::string is =
      view.wide && view.dtype == DType::I32 ? "int64" : std::string(to_string(view.dtype));
  const std::string also = i32 ? ", int64 or bool" : f16 ? " or f32" : "";
  return Error{
      anchor.name + ": dtype is " + is + ", must be " + std::string(to_string(anchor.dtype)) + also,
      ErrorKind::Failed, rejection::kWrongDtype};
}

int64_t bytes_each(const Anchor& anchor, Wide wide) {
  switch (wide) {
    case Wide::No: return size_of(anchor.dtype);
    case Wide::Int64: return 8;
    case Wide::Float32: return 4;
    case Wide::Bool:
    case Wide::Int8:
    case Wide::UInt8: return 1;
  }
  return 0;
}

Status check_shape(const Anchor& anchor, const Shape& shape, size_t bytes, int64_t element_bytes) {
  if (shape != anchor.shape) {
    return Error{
        anchor.name + ": shape is " + to_string(shape) + ", must be " + to_string(anchor.shape),
        ErrorKind::Failed, rejection::kWrongInput};
  }
  const auto must = static_cast<size_t>(elements(anchor.shape) * element_bytes);
  if (bytes == must) return {};
  return Error{anchor.name + ": its buffer is " + std::to_string(bytes) + " bytes, must be " +
                   std::to_string(must),
               ErrorKind::Failed, rejection::kWrongInput};
}

Status narrow_integers(const Anchor& anchor, const InputView& view, std::span<std::byte> to) {
  for (int64_t i = 0; i < elements(anchor.shape); ++i) {
    const auto value = load_element<int64_t>(view.bytes, i);
    if (value < std::numeric_limits<int32_t>::min() || value > std::numeric_limits<int32_t>::max())
      return bad_value(anchor, std::to_string(value), i, "-2147483648..2147483647");
    store_element(to, i, static_cast<int32_t>(value));
  }
  return {};
}

Status count_bools(const Anchor& anchor, const InputView& view, std::span<std::byte> to) {
  for (int64_t i = 0; i < elements(anchor.shape); ++i) {
    const auto value = load_element<uint8_t>(view.bytes, i);
    if (value > 1) return bad_value(anchor, std::to_string(value), i, "0..1");
    store_element(to, i, int32_t{value});
  }
  return {};
}

template <class Byte>
Status widen_bytes(const Anchor& anchor, const InputView& view, std::span<std::byte> to) {
  for (int64_t i = 0; i < elements(anchor.shape); ++i)
    store_element(to, i, int32_t{load_element<Byte>(view.bytes, i)});
  return {};
}

// Infinities and NaNs are the caller's; a number that would become one is refused.
Status narrow_floats(const Anchor& anchor, const InputView& view, std::span<std::byte> to) {
  for (int64_t i = 0; i < elements(anchor.shape); ++i) {
    const auto value = load_element<float>(view.bytes, i);
    const uint16_t half = to_half(value);
    if (std::isfinite(value) && !std::isfinite(from_half(half)))
      return bad_value(anchor, std::to_string(value), i, "-65504..65504");
    store_element(to, i, half);
  }
  return {};
}

Status convert(Wide wide, const Anchor& anchor, const InputView& view, std::span<std::byte> to) {
  switch (wide) {
    case Wide::No: return {};
    case Wide::Int64: return narrow_integers(anchor, view, to);
    case Wide::Float32: return narrow_floats(anchor, view, to);
    case Wide::Bool: return count_bools(anchor, view, to);
    case Wide::Int8: return widen_bytes<int8_t>(anchor, view, to);
    case Wide::UInt8: return widen_bytes<uint8_t>(anchor, view, to);
  }
  return {};
}

Status check_values(const Anchor& anchor, std::span<const std::byte> bytes) {
  if (anchor.dtype == DType::Bool) {
    for (int64_t i = 0; i < elements(anchor.shape); ++i) {
      const auto value = load_element<uint8_t>(bytes, i);
      if (value > 1) return bad_value(anchor, std::to_string(value), i, "0..1");
    }
  }
  if (anchor.dtype != DType::I32 || (anchor.index_limit == 0 && anchor.size_limit == 0)) return {};
  for (int64_t i = 0; i < elements(anchor.shape); ++i) {
    const auto value = load_element<int32_t>(bytes, i);
    const std::string must_be = anchor.must_be(value);
    if (!must_be.empty()) return bad_value(anchor, std::to_string(value), i, must_be);
  }
  return {};
}

}  // namespace

std::string place_in(const Shape& shape, int64_t i) {
  Shape index(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    index[d] = i % shape[d];
    i /= shape[d];
  }
  return to_string(index);
}

Expected<HostInput> take_input(const Anchor& anchor, const InputView& view) {
  const Wide wide = TRY(width_of(anchor, view));
  TRY(check_shape(anchor, view.shape, view.bytes.size(), bytes_each(anchor, wide)));
  HostInput input;
  input.bytes = view.bytes;
  if (wide != Wide::No) {
    input.converted.resize(static_cast<size_t>(elements(anchor.shape) * size_of(anchor.dtype)));
    TRY(convert(wide, anchor, view, input.converted));
    input.bytes = input.converted;
  }
  TRY(check_values(anchor, input.bytes));
  return input;
}

Status check_output(const Anchor& anchor, const OutputView& view) {
  const bool widened = anchor.dtype == DType::F16 && view.dtype == DType::F32;
  if (view.dtype != anchor.dtype && !widened) {
    return Error{anchor.name + ": dtype is " + std::string(to_string(view.dtype)) + ", must be " +
                     std::string(to_string(anchor.dtype)) +
                     (anchor.dtype == DType::F16 ? " or f32" : ""),
                 ErrorKind::Failed, rejection::kWrongDtype};
  }
  return check_shape(anchor, view.shape, view.bytes.size(), size_of(view.dtype));
}

void convert_output(std::span<const std::byte> bytes, const OutputView& view) {
  for (int64_t i = 0; i < elements(view.shape); ++i) {
    store_element(view.bytes, i, from_half(load_element<uint16_t>(bytes, i)));
  }
}

std::string list_names(const std::vector<const Anchor*>& anchors) {
  std::string names = "one of ";
  for (size_t i = 0; i < anchors.size(); ++i) names += (i > 0 ? ", " : "") + anchors[i]->name;
  return names;
}

namespace {

Status check_lengths(const PackingContract& packing, const std::vector<int32_t>& lengths) {
  const std::string& name = packing.unpack_info_input;
  int64_t sum = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] < 0 || lengths[i] > packing.segment_max_size)
      return Error{fmt::format("{}: length {} at [{}], must be in 0..{}", name, lengths[i], i,
                               packing.segment_max_size)};
    sum += lengths[i];
  }
  const int64_t room = packing.rows * packing.row_length;
  if (sum <= room) return {};
  return Error{fmt::format("{}: lengths add up to {}, must be at most {} ({} rows of {})", name,
                           sum, room, packing.rows, packing.row_length)};
}

Status check_places(const PackingContract& packing, const std::vector<int32_t>& places) {
  for (size_t i = 0; i + 1 < places.size(); i += 2) {
    const int64_t start = places[i], length = places[i + 1];
    const bool in_batch = start >= 0 && start < packing.rows * packing.row_length;
    if (in_batch && length >= 0 && start % packing.row_length + length <= packing.row_length)
      continue;
    return Error{fmt::format(
        "{}: {} tokens from {} at [{}], must be within one of the {} rows of {}",
        packing.unpack_info_input, length, start, i / 2, packing.rows, packing.row_length)};
  }
  return {};
}

}  // namespace

Status check_unpack_info(const PackingContract& packing, std::span<const std::byte> info) {
  std::vector<int32_t> numbers(info.size() / sizeof(int32_t));
  std::memcpy(numbers.data(), info.data(), numbers.size() * sizeof(int32_t));
  return packing.form == PackingForm::B ? check_places(packing, numbers)
                                        : check_lengths(packing, numbers);
}

}  // namespace tessera
