// SPDX-License-Identifier: Apache-2.0
#include "ir/tensor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "support/check.h"
#include "support/float_mode.h"
#include "support/fp8.h"
#include "support/half.h"

namespace tessera {
namespace {

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
void store(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

// Truncates, and keeps within range: a conversion of anything else to an integer is undefined.
int32_t to_int32(double value) {
  if (std::isnan(value)) return 0;
  return static_cast<int32_t>(std::clamp<double>(
      std::trunc(value), std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
}

// Likewise, within the type's range.
std::byte to_byte(DType dtype, double value) {
  return static_cast<std::byte>(std::clamp(to_int32(value), least_of(dtype), greatest_of(dtype)));
}

double load_element(DType dtype, const std::byte* from) {
  switch (dtype) {
    case DType::F32: return load<float>(from);
    case DType::F16: return from_half(load<uint16_t>(from));
    case DType::I32: return load<int32_t>(from);
    case DType::Bool: return *from != std::byte{0};
    case DType::I8: return load<int8_t>(from);
    case DType::U8: return load<uint8_t>(from);
    case DType::F143:
    case DType::F152: return from_fp8(dtype, load<uint8_t>(from));
  }
  return 0;
}

void store_element(DType dtype, double value, std::byte* to) {
  switch (dtype) {
    case DType::F32: store(to, to_normal(value)); break;
    case DType::F16: store(to, to_half(value)); break;
    case DType::I32: store(to, to_int32(value)); break;
    case DType::Bool: *to = std::byte{value != 0}; break;
    case DType::I8:
    case DType::U8: *to = to_byte(dtype, value); break;
    case DType::F143:
    case DType::F152: store(to, to_fp8(dtype, value)); break;
  }
}

}  // namespace

static_assert(std::endian::native == std::endian::little, "tensors are little-endian bytes");

Tensor::Tensor(TensorType type, std::shared_ptr<const void> owner, std::span<const std::byte> bytes)
    : type_(std::move(type)), owner_(std::move(owner)), bytes_(bytes) {
  CHECK(!owner_ || static_cast<int64_t>(bytes_.size()) == type_.bytes());
  const auto one = static_cast<size_t>(size_of(type_.dtype));
  // Equal to itself one element on: then all are the first.
  is_uniform_ = owner_ && bytes_.size() >= one &&
                std::memcmp(bytes_.data(), bytes_.data() + one, bytes_.size() - one) == 0;
}

Tensor Tensor::copy(TensorType type, std::span<const std::byte> bytes) {
  // As a constant lies in a .popef file: in whole cache lines.
  constexpr std::align_val_t kLine{64};
  const std::shared_ptr<std::byte> owner(
      static_cast<std::byte*>(::operator new(bytes.size(), kLine)),
      [](std::byte* data) { ::operator delete(data, kLine); });
  std::ranges::copy(bytes, owner.get());
  return Tensor(std::move(type), owner, {owner.get(), bytes.size()});
}

bool Tensor::operator==(const Tensor& other) const {
  return type_ == other.type_ && has_data() == other.has_data() &&
         std::ranges::equal(bytes_, other.bytes_);
}

double Tensor::first() const {
  CHECK(has_data() && !bytes_.empty());
  return load_element(type_.dtype, bytes_.data());
}

Array to_array(const Tensor& tensor) {
  CHECK(tensor.has_data());
  const DType dtype = tensor.type().dtype;
  Array array{tensor.type(),
              std::vector<double>(static_cast<size_t>(elements(tensor.type().shape)))};
  const std::byte* from = tensor.bytes().data();
  for (double& value : array.data) {
    value = load_element(dtype, from);
    from += size_of(dtype);
  }
  return array;
}

Tensor to_tensor(const Array& array) {
  CHECK(static_cast<int64_t>(array.data.size()) == elements(array.type.shape));
  std::vector<std::byte> bytes(static_cast<size_t>(array.type.bytes()));
  std::byte* to = bytes.data();
  for (double value : array.data) {
    store_element(array.type.dtype, value, to);
    to += size_of(array.type.dtype);
  }
  return Tensor::copy(array.type, bytes);
}

void round_to_dtype(Array& array) {
  std::byte element[4];
  for (double& value : array.data) {
    store_element(array.type.dtype, value, element);
    value = load_element(array.type.dtype, element);
  }
}

}  // namespace tessera
