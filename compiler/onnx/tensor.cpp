// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/tensor.h"

#include <bit>
#include <cstring>
#include <limits>

#include "compiler/onnx/model_file.h"

namespace tessera {
namespace {

using ::onnx::TensorProto;

static_assert(std::endian::native == std::endian::little, "ONNX's raw data is little-endian");

// Types of ONNX 1.14, later than the schema that is built in.
constexpr int32_t kFloat8E4M3Fnuz = 18, kFloat8E5M2Fnuz = 20;

struct ElementType {
  int32_t onnx_type;
  const char* name;
  std::optional<DType> dtype;
  int64_t bytes;  // of an element in raw data
};
constexpr ElementType kElementTypes[] = {
    {TensorProto::FLOAT,      "float32",         DType::F32,   4 },
    {TensorProto::FLOAT16,    "float16",         DType::F16,   2 },
    {TensorProto::DOUBLE,     "float64",         DType::F32,   8 },
    {TensorProto::INT32,      "int32",           DType::I32,   4 },
    {TensorProto::INT64,      "int64",           DType::I32,   8 },
    {TensorProto::BOOL,       "bool",            DType::Bool,  1 },
    {TensorProto::BFLOAT16,   "bfloat16",        DType::F32,   2 },
    {TensorProto::INT8,       "int8",            DType::I32,   1 },
    {TensorProto::UINT8,      "uint8",           DType::I32,   1 },
    {TensorProto::INT16,      "int16",           std::nullopt, 2 },
    {TensorProto::UINT16,     "uint16",          std::nullopt, 2 },
    {TensorProto::UINT32,     "uint32",          std::nullopt, 4 },
    {TensorProto::UINT64,     "uint64",          std::nullopt, 8 },
    {TensorProto::STRING,     "string",          std::nullopt, 0 },
    {TensorProto::COMPLEX64,  "complex64",       std::nullopt, 8 },
    {TensorProto::COMPLEX128, "complex128",      std::nullopt, 16},
    {kFloat8E4M3Fnuz,         "float8_e4m3fnuz", DType::F143,  1 },
    {kFloat8E5M2Fnuz,         "float8_e5m2fnuz", DType::F152,  1 },
};

const ElementType* find_type(int32_t onnx_type) {
  for (const ElementType& row : kElementTypes)
    if (row.onnx_type == onnx_type) return &row;
  return nullptr;
}

// Where a tensor's elements stand, as the file has them.
struct Source {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  int64_t element_bytes = 0;
};

template <class Repeated>
Source typed(const Repeated& field) {
  return {std::as_bytes(std::span(field.data(), static_cast<size_t>(field.size()))), nullptr,
          static_cast<int64_t>(sizeof(*field.data()))};
}

// The field that holds this type's elements where raw_data does not.
Source typed_data(const TensorProto& proto) {
  switch (proto.data_type()) {
    case TensorProto::FLOAT: return typed(proto.float_data());
    case TensorProto::DOUBLE: return typed(proto.double_data());
    case TensorProto::INT64: return typed(proto.int64_data());
    default: return typed(proto.int32_data());  // also halves and bools, one to an int32
  }
}

template <class From>
From element_at(const Source& source, int64_t i) {
  From value;
  std::memcpy(&value, source.bytes.data() + i * static_cast<int64_t>(sizeof value), sizeof value);
  return value;
}

template <class From, class To, class Convert>
Tensor convert(const TensorType& type, const Source& source, Convert&& one) {
  auto out = std::make_shared<std::vector<To>>(static_cast<size_t>(elements(type.shape)));
  for (size_t i = 0; i < out->size(); ++i)
    (*out)[i] = one(element_at<From>(source, static_cast<int64_t>(i)));
  const auto bytes = std::as_bytes(std::span(*out));
  return Tensor(type, out, bytes);
}

Tensor narrow_int64(const TensorType& type, const Source& source,
                    std::optional<int64_t>& beyond_int32) {
  return convert<int64_t, int32_t>(type, source, [&](int64_t value) {
    const int64_t held = std::clamp<int64_t>(value, std::numeric_limits<int32_t>::min(),
                                             std::numeric_limits<int32_t>::max());
    if (held != value) beyond_int32 = value;
    return static_cast<int32_t>(held);
  });
}

bool is_aligned(const Source& source) {
  return reinterpret_cast<uintptr_t>(source.bytes.data()) %
             static_cast<uintptr_t>(source.element_bytes) ==
         0;
}

// A bfloat16 is the upper half of the float32 that equals it.
float widened(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

Tensor widen_bfloat16(const TensorType& type, const Source& source) {
  if (source.element_bytes == 2) return convert<uint16_t, float>(type, source, widened);
  return convert<int32_t, float>(
      type, source, [](int32_t value) { return widened(static_cast<uint16_t>(value)); });
}

// Has it to change on the way?
bool must_copy(const TensorType& type, int32_t onnx_type, const Source& source) {
  return source.element_bytes != size_of(type.dtype) || type.dtype == DType::Bool ||
         onnx_type == TensorProto::DOUBLE || onnx_type == TensorProto::BFLOAT16 ||
         !is_aligned(source);
}

// Copies only that.
ReadTensor to_read_tensor(const TensorType& type, int32_t onnx_type, const Source& source) {
  ReadTensor read{{}, onnx_type, std::nullopt};
  const bool same_width = source.element_bytes == size_of(type.dtype);
  if (onnx_type == TensorProto::INT64) {
    read.tensor = narrow_int64(type, source, read.beyond_int32);
  } else if (onnx_type == TensorProto::DOUBLE) {
    read.tensor = convert<double, float>(type, source,
                                         [](double value) { return static_cast<float>(value); });
  } else if (onnx_type == TensorProto::BFLOAT16) {
    read.tensor = widen_bfloat16(type, source);
  } else if (onnx_type == TensorProto::UINT8 && !same_width) {
    read.tensor = convert<int32_t, uint8_t>(
        type, source, [](int32_t value) { return static_cast<uint8_t>(value); });
  } else if (onnx_type == TensorProto::INT8 && !same_width) {
    read.tensor = convert<int32_t, int8_t>(
        type, source, [](int32_t value) { return static_cast<int8_t>(value); });
  } else if (type.dtype == DType::Bool && same_width) {
    read.tensor = convert<uint8_t, uint8_t>(type, source, [](uint8_t value) { return value != 0; });
  } else if (type.dtype == DType::Bool) {
    read.tensor = convert<int32_t, uint8_t>(type, source, [](int32_t value) { return value != 0; });
  } else if (is_fp8(type.dtype) && !same_width) {
    read.tensor = convert<int32_t, uint8_t>(
        type, source, [](int32_t value) { return static_cast<uint8_t>(value); });
  } else if (!same_width) {
    read.tensor = convert<int32_t, uint16_t>(
        type, source, [](int32_t value) { return static_cast<uint16_t>(value); });
  } else if (is_aligned(source)) {
    read.tensor = Tensor(type, source.owner, source.bytes);
  } else {
    read.tensor = Tensor::copy(type, source.bytes);
  }
  return read;
}

}  // namespace

std::string element_type_name(int32_t onnx_type) {
  const ElementType* row = find_type(onnx_type);
  return row ? row->name : "type " + std::to_string(onnx_type);
}

std::string caller_type_name(int32_t onnx_type) {
  return element_type_name(onnx_type == TensorProto::BFLOAT16 ? TensorProto::FLOAT : onnx_type);
}

std::optional<DType> dtype_of(int32_t onnx_type) {
  const ElementType* row = find_type(onnx_type);
  return row ? row->dtype : std::nullopt;
}

std::optional<DType> stored_dtype_of(int32_t onnx_type) {
  if (onnx_type == TensorProto::INT8) return DType::I8;
  if (onnx_type == TensorProto::UINT8) return DType::U8;
  return dtype_of(onnx_type);
}

int32_t onnx_type_of(DType dtype) {
  switch (dtype) {
    case DType::F32: return TensorProto::FLOAT;
    case DType::F16: return TensorProto::FLOAT16;
    case DType::I32: return TensorProto::INT32;
    case DType::Bool: return TensorProto::BOOL;
    case DType::I8: return TensorProto::INT8;
    case DType::U8: return TensorProto::UINT8;
    case DType::F143: return kFloat8E4M3Fnuz;
    case DType::F152: return kFloat8E5M2Fnuz;
  }
  return TensorProto::UNDEFINED;
}

Expected<ReadTensor> TensorReader::read(const TensorProto& proto) {
  const std::string where = "tensor '" + printable(proto.name()) + "': ";
  const ElementType* row = find_type(proto.data_type());
  if (!row || !row->dtype)
    return Error{where + "is of " + element_type_name(proto.data_type()) +
                 ", must be of float32, float16, bfloat16, float64, int32, int64, int8, uint8 or "
                 "bool"};
  const TensorType type{*stored_dtype_of(proto.data_type()),
                        Shape(proto.dims().begin(), proto.dims().end())};
  if (proto.has_segment())
    return Error{where + "is a segment of a tensor, must be whole", ErrorKind::BadFile};
  if (!is_valid_shape(type.shape))
    return Error{where + "has dimensions " + to_string(type.shape) +
                     ", must have at most 8, none negative, and at most 2^40 elements",
                 ErrorKind::BadFile};

  Source source = typed_data(proto);
  source.owner = owner_;
  if (proto.data_location() == TensorProto::EXTERNAL) {
    auto region = external_.region(proto);
    if (!region.ok()) return Error{where + region.error().message, region.error().kind};
    source = {region->bytes, region->file, row->bytes};
  } else if (proto.has_raw_data()) {
    source = {std::as_bytes(std::span(proto.raw_data())), owner_, row->bytes};
  }
  const auto held = static_cast<int64_t>(source.bytes.size());
  if (held / source.element_bytes != elements(type.shape) || held % source.element_bytes != 0)
    return Error{where + "holds " + std::to_string(held / source.element_bytes) +
                     " elements, must hold " + std::to_string(elements(type.shape)) + " for " +
                     to_string(type.shape),
                 ErrorKind::BadFile};

  if (must_copy(type, proto.data_type(), source)) copied_bytes_ += type.bytes();
  TRY(check_limit(limits_, &Limits::memory, copied_bytes_,
                  where + "with it the constants that must be converted"));
  return to_read_tensor(type, proto.data_type(), source);
}

namespace {

// Where element `i` of a sparse tensor stands, of one number an element or one for each axis;
// nothing if it is out of range.
std::optional<int64_t> place_of(const Tensor& indices, size_t i, const Shape& shape) {
  const auto at = [&](size_t k) {
    int32_t index;
    std::memcpy(&index, indices.bytes().data() + k * sizeof index, sizeof index);
    return int64_t{index};
  };
  if (indices.type().shape.size() == 1) {
    if (at(i) < 0 || at(i) >= elements(shape)) return std::nullopt;
    return at(i);
  }
  int64_t place = 0;
  for (size_t d = 0; d < shape.size(); ++d) {
    const int64_t index = at(i * shape.size() + d);
    if (index < 0 || index >= shape[d]) return std::nullopt;
    place = place * shape[d] + index;
  }
  return place;
}

}  // namespace

Expected<ReadTensor> TensorReader::read(const ::onnx::SparseTensorProto& proto) {
  const std::string where = "sparse tensor '" + printable(proto.values().name()) + "': ";
  const auto bad = [&](const std::string& what) { return Error{where + what, ErrorKind::BadFile}; };
  ReadTensor read = TRY(this->read(proto.values()));
  const ReadTensor indices = TRY(this->read(proto.indices()));
  const TensorType values = read.tensor.type();
  const TensorType type{values.dtype, Shape(proto.dims().begin(), proto.dims().end())};
  if (!is_valid_shape(type.shape) || type.shape.empty())
    return bad("has dimensions " + to_string(type.shape) +
               ", must have 1 to 8, none negative, and at most 2^40 elements");
  const Shape one_each = values.shape;
  Shape one_an_axis = values.shape;
  one_an_axis.push_back(static_cast<int64_t>(type.shape.size()));
  const Shape& has = indices.tensor.type().shape;
  if (values.shape.size() != 1 || indices.onnx_type != TensorProto::INT64 ||
      (has != one_each && has != one_an_axis))
    return bad(
        "has values " + to_string(values) + " and indices " + to_string(indices.tensor.type()) +
        ", must have a list of values, and of int64 one index or one for each axis for each");
  copied_bytes_ += type.bytes();
  TRY(check_limit(limits_, &Limits::memory, copied_bytes_,
                  where + "with it the constants that must be converted"));
  auto dense = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(type.bytes()));
  const auto size = static_cast<size_t>(size_of(type.dtype));
  int64_t last = -1;
  for (size_t i = 0; i < static_cast<size_t>(values.shape[0]); ++i) {
    const auto place = place_of(indices.tensor, i, type.shape);
    if (!place || *place <= last || indices.beyond_int32)
      return bad("index " + std::to_string(i) +
                 " is out of range or out of order, must be within " + to_string(type.shape) +
                 " and behind the one before it");
    last = *place;
    std::memcpy(dense->data() + static_cast<size_t>(last) * size,
                read.tensor.bytes().data() + i * size, size);
  }
  const std::span<const std::byte> bytes(*dense);
  read.tensor = Tensor(type, dense, bytes);
  return read;
}

}  // namespace tessera
