// SPDX-License-Identifier: Apache-2.0
#include "executor/batch_arrays.h"

#include <fmt/format.h>

#include <cstring>
#include <random>

#include "support/fp8.h"
#include "support/half.h"

namespace tessera {
namespace {

NpyArray make_array(const std::string& descr, const Shape& shape, int64_t item_bytes) {
  return {descr, shape, std::vector<std::byte>(static_cast<size_t>(elements(shape) * item_bytes))};
}

// A value in [0, limit) from 64 random bits; the bias of the remainder does not matter here.
int32_t draw_index(std::mt19937_64& random, int64_t limit) {
  return limit > 0 ? static_cast<int32_t>(random() % static_cast<uint64_t>(limit)) : 1;
}

NpyArray random_array(const Anchor& anchor, std::mt19937_64& random) {
  NpyArray array = make_array(npy_descr(anchor.dtype), anchor.shape, size_of(anchor.dtype));
  for (int64_t i = 0; i < elements(anchor.shape); ++i) {
    std::byte* at = array.bytes.data() + i * size_of(anchor.dtype);
    const float real = static_cast<float>(random() >> 40) * 0x1p-23f - 1.0f;
    switch (anchor.dtype) {
      case DType::I32: {
        const int32_t value = draw_index(random, anchor.index_limit);
        std::memcpy(at, &value, 4);
        break;
      }
      case DType::F32: std::memcpy(at, &real, 4); break;
      case DType::F16: {
        const uint16_t half = to_half(real);
        std::memcpy(at, &half, 2);
        break;
      }
      case DType::Bool: *at = std::byte{real > 0}; break;
      case DType::I8:
      case DType::U8: *at = static_cast<std::byte>(random() >> 56); break;
      case DType::F143:
      case DType::F152: *at = std::byte{to_fp8(anchor.dtype, real)}; break;
    }
  }
  return array;
}

}  // namespace

double number_at(std::span<const std::byte> bytes, DType dtype, size_t index) {
  const std::byte* at = bytes.data() + index * static_cast<size_t>(size_of(dtype));
  switch (dtype) {
    case DType::F32: {
      float value;
      std::memcpy(&value, at, 4);
      return value;
    }
    case DType::F16: {
      uint16_t value;
      std::memcpy(&value, at, 2);
      return from_half(value);
    }
    case DType::I32: {
      int32_t value;
      std::memcpy(&value, at, 4);
      return value;
    }
    case DType::I8: return static_cast<int8_t>(*at);
    case DType::Bool:
    case DType::U8: return static_cast<double>(*at);
    case DType::F143:
    case DType::F152: return from_fp8(dtype, static_cast<uint8_t>(*at));
  }
  return 0;
}

std::map<std::string, NpyArray> random_inputs(const Metadata& metadata, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::map<std::string, NpyArray> arrays;
  for (const Anchor& anchor : metadata.anchors)
    if (anchor.kind == AnchorKind::Input) arrays.emplace(anchor.name, random_array(anchor, random));
  return arrays;
}

std::map<std::string, NpyArray> empty_outputs(const Metadata& metadata) {
  std::map<std::string, NpyArray> arrays;
  for (const Anchor& anchor : metadata.anchors)
    if (anchor.kind == AnchorKind::Output)
      arrays.emplace(anchor.name,
                     make_array(npy_descr(anchor.dtype), anchor.shape, size_of(anchor.dtype)));
  return arrays;
}

Expected<InputViews> input_views(const std::map<std::string, NpyArray>& arrays) {
  InputViews views;
  for (const auto& [name, array] : arrays) {
    InputView view{DType::I32, false, array.shape, array.bytes};
    if (array.descr == "<i8") {
      view.wide = true;
    } else if (array.descr == "<f4") {
      view.dtype = DType::F32;
    } else if (array.descr == "<f2") {
      view.dtype = DType::F16;
    } else if (array.descr == "|b1") {
      view.dtype = DType::Bool;
    } else if (array.descr != "<i4") {
      return Error{
          fmt::format("{}: dtype is {}, must be <i4, <i8, <f4, <f2 or |b1", name, array.descr)};
    }
    views.emplace(name, view);
  }
  return views;
}

Expected<OutputViews> output_views(std::map<std::string, NpyArray>& arrays) {
  OutputViews views;
  for (auto& [name, array] : arrays) {
    const DType dtype = array.descr == "<f4"   ? DType::F32
                        : array.descr == "<f2" ? DType::F16
                        : array.descr == "<i4" ? DType::I32
                                               : DType::Bool;
    views.emplace(name, OutputView{dtype, array.shape, array.bytes});
  }
  return views;
}

}  // namespace tessera
