// SPDX-License-Identifier: Apache-2.0
#include "tools/files/request_arrays.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "executor/batch_arrays.h"
#include "serving/bench.h"
#include "serving/request_contract.h"
#include "support/fp8.h"
#include "support/half.h"
#include "tools/files/tensors.h"

namespace tessera::tools {
namespace {

template <class T, class Convert>
NpyArray filled(const std::string& descr, const Shape& shape, std::span<const int32_t> values,
                const Convert& convert) {
  NpyArray array{descr, shape, std::vector<std::byte>(values.size() * sizeof(T))};
  for (size_t i = 0; i < values.size(); ++i) {
    const T value = convert(values[i]);
    std::memcpy(array.bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
  return array;
}

// In the type that the model declares, so that other programs that run the model take the file too.
NpyArray array_of(const Anchor& anchor, const Shape& shape, std::span<const int32_t> values) {
  const auto as = [](auto type) {
    return [](int32_t value) { return static_cast<decltype(type)>(value); };
  };
  if (anchor.model_dtype == "int64") return filled<int64_t>("<i8", shape, values, as(int64_t{}));
  const std::string descr = npy_descr(anchor.dtype);
  switch (anchor.dtype) {
    case DType::F32: return filled<float>(descr, shape, values, as(float{}));
    case DType::F16:
      return filled<uint16_t>(descr, shape, values,
                              [](int32_t value) { return to_half(static_cast<float>(value)); });
    case DType::I32: break;
    case DType::I8: return filled<int8_t>(descr, shape, values, as(int8_t{}));
    case DType::U8: return filled<uint8_t>(descr, shape, values, as(uint8_t{}));
    case DType::F143:
    case DType::F152:
      return filled<uint8_t>(descr, shape, values,
                             [&](int32_t value) { return to_fp8(anchor.dtype, value); });
    case DType::Bool:
      return filled<uint8_t>(descr, shape, values,
                             [](int32_t value) { return static_cast<uint8_t>(value != 0); });
  }
  return filled<int32_t>(descr, shape, values, as(int32_t{}));
}

size_t numbers_of_token(const Anchor& anchor) {
  return static_cast<size_t>(elements(Shape(anchor.shape.begin() + 2, anchor.shape.end())));
}

// Ids for the input of the ids, 0 and 1 for the others, both as far as the input's table goes.
std::vector<int32_t> tokens_of(const Anchor& anchor, const PackingContract& contract,
                               const SyntheticRequest& request) {
  const bool ids = anchor.name == contract.ids_input;
  std::vector<int32_t> tokens = ids ? request.ids : request.types;
  const int64_t limit = anchor.index_limit;
  for (int32_t& token : tokens) {
    if (ids && token == contract.padding_id) ++token;
    if (limit > 0) token = static_cast<int32_t>(token % limit);
  }
  const size_t each = numbers_of_token(anchor);
  std::vector<int32_t> numbers;
  for (const int32_t token : tokens) numbers.insert(numbers.end(), each, token);
  return numbers;
}

std::vector<int32_t> cells_of(const Anchor& anchor, const PackingContract& contract,
                              const PackedBatch& batch, const Workload& requests) {
  const size_t each = numbers_of_token(anchor);
  std::vector<int32_t> cells(static_cast<size_t>(row_tokens(contract)) * each);
  for (const Placement& place : batch.placements)
    std::ranges::copy(tokens_of(anchor, contract, requests[place.request]),
                      cells.begin() + place.start * static_cast<int64_t>(each));
  return cells;
}

}  // namespace

Expected<int32_t> vocabulary_of(int64_t asked, const Metadata* metadata,
                                const PackingContract& contract) {
  auto below = drawn_below(asked, metadata, contract);
  if (!below) return Error{"--" + below.error().message, below.error().kind};
  return below;
}

std::map<std::string, NpyArray> request_arrays(const Metadata& metadata,
                                               const PackingContract& contract,
                                               const SyntheticRequest& request) {
  std::map<std::string, NpyArray> arrays;
  for (const std::string& name : contract.token_inputs)
    if (const Anchor* anchor = find_input(metadata, name)) {
      Shape shape(anchor->shape.begin() + 1, anchor->shape.end());
      shape[0] = std::ssize(request.ids);
      arrays.emplace(name, array_of(*anchor, shape, tokens_of(*anchor, contract, request)));
    }
  return arrays;
}

std::map<std::string, NpyArray> batch_arrays(const Metadata& metadata,
                                             const PackingContract& contract,
                                             const PackedBatch& batch, const Workload& requests,
                                             uint64_t seed) {
  std::map<std::string, NpyArray> arrays = random_inputs(metadata, seed);
  const auto set = [&](const std::string& name, const auto& values) {
    if (const Anchor* anchor = find_input(metadata, name))
      arrays[name] = array_of(*anchor, anchor->shape, values(*anchor));
  };
  for (const std::string& name : contract.token_inputs)
    set(name, [&](const Anchor& anchor) { return cells_of(anchor, contract, batch, requests); });
  set(contract.mask_input, [&](const Anchor&) { return packed_mask(contract, batch); });
  set(contract.position_input, [&](const Anchor&) { return packed_positions(contract, batch); });
  if (contract.form == PackingForm::A)
    set(contract.unpack_info_input,
        [&](const Anchor&) { return packed_unpack_info(contract, batch); });
  return arrays;
}

}  // namespace tessera::tools
