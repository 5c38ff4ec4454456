// SPDX-License-Identifier: Apache-2.0
#include "tests/codelets/vertex_runner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <memory>

#include "support/fp8.h"
#include "support/half.h"

namespace tessera {
namespace {

constexpr std::byte kPoison{0xA5};
constexpr size_t kMargin = 256;  // poisoned bytes around each buffer

int64_t offset_of(const VertexArray& array, int64_t index) {
  const Shape stride = array.stride.empty() ? row_major_strides(array.size) : array.stride;
  int64_t offset = array.misalign;
  for (size_t d = array.size.size(); d-- > 0; index /= array.size[d]) {
    offset += index % array.size[d] * stride[d];
  }
  return offset;
}

void put(DType dtype, std::byte* to, double value) {
  const auto copy = [&](auto bits) { std::memcpy(to, &bits, sizeof bits); };
  switch (dtype) {
    case DType::F32: return copy(static_cast<float>(value));
    case DType::F16: return copy(to_half(value));
    case DType::I32: return copy(static_cast<int32_t>(value));
    case DType::Bool: return copy(static_cast<uint8_t>(value != 0));
    case DType::I8: return copy(static_cast<int8_t>(value));
    case DType::U8: return copy(static_cast<uint8_t>(value));
    case DType::F143:
    case DType::F152: return copy(to_fp8(dtype, value));
  }
}

double get(DType dtype, const std::byte* from) {
  const auto as = [&](auto bits) {
    std::memcpy(&bits, from, sizeof bits);
    return bits;
  };
  switch (dtype) {
    case DType::F32: return as(float{});
    case DType::F16: return from_half(as(uint16_t{}));
    case DType::I32: return as(int32_t{});
    case DType::I8: return as(int8_t{});
    case DType::Bool:
    case DType::U8: return as(uint8_t{});
    case DType::F143:
    case DType::F152: return from_fp8(dtype, as(uint8_t{}));
  }
  return 0;
}

// An array's bytes as the vertex sees them, with margins that must stay poisoned.
struct Buffer {
  explicit Buffer(const VertexArray& array) {
    const auto item = static_cast<size_t>(size_of(array.dtype));
    const auto last = static_cast<size_t>(offset_of(array, elements(array.size) - 1));
    bytes.assign(2 * kMargin + (last + 1) * item, kPoison);
    first = kMargin;
    touched.assign(bytes.size(), false);
    for (int64_t i = 0; i < elements(array.size); ++i) {
      const size_t at = first + static_cast<size_t>(offset_of(array, i)) * item;
      if (!array.writes) put(array.dtype, &bytes[at], array.values[static_cast<size_t>(i)]);
      for (size_t b = 0; b < item; ++b) touched[at + b] = true;
    }
    before = bytes;
  }

  void expect_only_written_inside(bool writes) const {
    size_t changed = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      changed += bytes[i] != before[i] && !(writes && touched[i]);
    }
    EXPECT_EQ(changed, 0U) << "bytes changed outside what the vertex may write";
  }

  std::vector<std::byte> bytes, before;
  std::vector<bool> touched;
  size_t first = 0;
};

VertexOperand operand_of(const VertexArray& array, Buffer& buffer) {
  VertexOperand operand{};
  operand.data = &buffer.bytes[buffer.first] + array.misalign * size_of(array.dtype);
  const Shape stride = array.stride.empty() ? row_major_strides(array.size) : array.stride;
  for (size_t d = 0; d < kVertexRank; ++d) {
    const bool inside = d < array.size.size();
    operand.size[d] = inside ? array.size[d] : 1;
    operand.stride[d] = inside && array.size[d] != 1 ? stride[d] : 0;
    operand.begin[d] = d < array.begin.size() ? array.begin[d] : 0;
  }
  return operand;
}

Expected<Kernel> kernel_for(const Codelet& codelet, const VertexShape& shape,
                            const std::string& cpu) {
  static std::map<std::string, std::unique_ptr<Jit>> jits;
  std::unique_ptr<Jit>& jit = jits[cpu];
  if (jit == nullptr) jit = TRY(Jit::create({.cpu = cpu}));
  const Jit::Request request{&codelet, codelet.constants(shape)};
  return TRY(jit->compile({&request, 1}, 1)).front();
}

VertexArray read_back(const VertexArray& array, const Buffer& buffer) {
  VertexArray is = array;
  is.values.clear();
  for (int64_t i = 0; i < elements(array.size); ++i) {
    const int64_t at = offset_of(array, i) * size_of(array.dtype);
    is.values.push_back(get(array.dtype, &buffer.bytes[buffer.first] + at));
  }
  return is;
}

}  // namespace

double VertexArray::at(std::initializer_list<int64_t> index) const {
  int64_t flat = 0;
  size_t d = 0;
  for (const int64_t i : index) flat = flat * size[d++] + i;
  return values[static_cast<size_t>(flat)];
}

double& VertexArray::at(std::initializer_list<int64_t> index) {
  int64_t flat = 0;
  size_t d = 0;
  for (const int64_t i : index) flat = flat * size[d++] + i;
  return values[static_cast<size_t>(flat)];
}

double rounded(DType dtype, double value) {
  std::byte bytes[8];
  put(dtype, bytes, value);
  return get(dtype, bytes);
}

VertexArray array(DType dtype, Shape size, std::vector<double> values) {
  for (double& value : values) value = rounded(dtype, value);
  return {.dtype = dtype, .size = std::move(size), .values = std::move(values)};
}

VertexArray random_array(DType dtype, Shape size, std::mt19937& random, double scale) {
  std::uniform_real_distribution<double> uniform(-scale, scale);
  std::vector<double> values(static_cast<size_t>(elements(size)));
  for (double& value : values) value = uniform(random);
  return array(dtype, std::move(size), std::move(values));
}

VertexArray ints(Shape size, std::vector<int32_t> values) {
  return array(DType::I32, std::move(size), {values.begin(), values.end()});
}

VertexArray output(DType dtype, Shape size) {
  VertexArray array{.dtype = dtype, .size = std::move(size), .values = {}, .writes = true};
  array.values.resize(static_cast<size_t>(elements(array.size)));
  return array;
}

VertexArray with_gaps(VertexArray array, int64_t gap, int64_t misalign) {
  array.stride = row_major_strides(array.size);
  for (size_t d = array.size.size() - 1; d-- > 0;) {
    array.stride[d] = array.size[d + 1] * array.stride[d + 1] + gap;
  }
  array.misalign = misalign;
  return array;
}

VertexShape shape_of(const std::vector<Param>& params, const std::vector<VertexArray>& operands) {
  VertexShape shape{.params = &params, .operands = {}};
  for (const VertexArray& array : operands) {
    shape.operands.push_back({.dtype = array.dtype, .size = array.size, .writes = array.writes});
  }
  return shape;
}

std::string refusal(const std::string& codelet, const std::vector<Param>& params,
                    const std::vector<VertexArray>& operands) {
  Status status = find_codelet(codelet)->check(shape_of(params, operands));
  return status ? "" : status.error().message;
}

std::vector<VertexArray> run_vertex(const std::string& name, const std::vector<Param>& params,
                                    std::vector<VertexArray> operands, const std::string& cpu) {
  const Codelet* codelet = find_codelet(name);
  EXPECT_NE(codelet, nullptr) << name;
  EXPECT_EQ(refusal(name, params, operands), "");
  const VertexShape shape = shape_of(params, operands);
  Expected<Kernel> kernel = kernel_for(*codelet, shape, cpu);
  if (!kernel) {
    ADD_FAILURE() << kernel.error().message;
    return {};
  }
  std::vector<Buffer> buffers;
  for (const VertexArray& array : operands) buffers.emplace_back(array);
  std::vector<VertexOperand> vertex;
  for (size_t i = 0; i < operands.size(); ++i) {
    vertex.push_back(operand_of(operands[i], buffers[i]));
  }
  std::vector<std::byte> scratch(static_cast<size_t>(codelet->scratch_bytes(shape)) + kMargin,
                                 kPoison);
  kernel->run(vertex.data(), scratch.data());
  EXPECT_EQ(scratch[scratch.size() - kMargin], kPoison) << "the vertex wrote past its scratch";

  std::vector<VertexArray> written;
  for (size_t i = 0; i < operands.size(); ++i) {
    buffers[i].expect_only_written_inside(operands[i].writes);
    if (operands[i].writes) written.push_back(read_back(operands[i], buffers[i]));
  }
  return written;
}

void expect_close(const VertexArray& is, const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(is.values.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_LE(std::abs(is.values[i] - want[i]), tolerance * (1 + std::abs(want[i])))
        << "element " << i << " is " << is.values[i] << ", must be " << want[i];
  }
}

}  // namespace tessera
