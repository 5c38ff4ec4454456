// SPDX-License-Identifier: Apache-2.0
// ONNX operations whose results are known as soon as shapes are.
#include <algorithm>
#include <cmath>

#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/tensor.h"

namespace tessera::handlers {
namespace {

constexpr int64_t kMaxRange = int64_t{1} << 20;

constexpr int32_t kFloat = ::onnx::TensorProto::FLOAT;

Status check_int32(const Call& call, int64_t value) {
  if (value >= INT32_MIN && value <= INT32_MAX) return {};
  return call.error("holds " + std::to_string(value) + ", must be within int32");
}

Array list(DType dtype, std::vector<double> values) {
  const auto size = static_cast<int64_t>(values.size());
  return Array{
      {dtype, {size}},
      std::move(values)
  };
}

Status result_int64(Call& call, const Array& array) {
  call.result_constant({to_tensor(array), ::onnx::TensorProto::INT64, std::nullopt});
  return {};
}

}  // namespace

Status constant(Call& call) {
  if (call.has_attr("value")) {
    call.result_constant(TRY(call.tensor_attr("value")));
  } else if (call.has_attr("sparse_value")) {
    call.result_constant(TRY(call.tensor_attr("sparse_value")));
  } else if (const auto* one = call.find_attr("value_float")) {
    call.result_constant({
        to_tensor(Array{{DType::F32, {}}, {one->f()}}
        ), kFloat, std::nullopt
    });
  } else if (const auto* many = call.find_attr("value_floats")) {
    const Array array = list(DType::F32, {many->floats().begin(), many->floats().end()});
    call.result_constant({to_tensor(array), kFloat, std::nullopt});
  } else if (const auto* one = call.find_attr("value_int")) {
    TRY(check_int32(call, one->i()));
    return result_int64(call, Array{
                                  {DType::I32, {}},
                                  {static_cast<double>(one->i())}
    });
  } else if (const auto* many = call.find_attr("value_ints")) {
    for (const int64_t value : many->ints()) TRY(check_int32(call, value));
    return result_int64(call, list(DType::I32, {many->ints().begin(), many->ints().end()}));
  } else {
    return call.error("has no value, must have one");
  }
  return {};
}

Status shape(Call& call) {
  const int64_t rank = call.rank(0);
  const auto clamped = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const int64_t start = clamped(call.attr("start", int64_t{0}));
  const int64_t end = std::max(start, clamped(call.attr("end", rank)));
  const Shape& shape = call.shape(0);
  for (const int64_t dim : shape) TRY(check_int32(call, dim));
  return result_int64(call, list(DType::I32, {shape.begin() + start, shape.begin() + end}));
}

Status size(Call& call) {
  const int64_t size = elements(call.shape(0));
  TRY(check_int32(call, size));
  return result_int64(call, Array{
                                {DType::I32, {}},
                                {static_cast<double>(size)}
  });
}

Status constant_of_shape(Call& call) {
  const Shape shape = TRY(call.constant_ints(0, "shape"));
  if (!is_valid_shape(shape))
    return call.error("shape is " + to_string(shape) + ", must have no negative axis and be of " +
                      "at most 2^40 elements");
  Node* value = TRY(call.full({DType::F32, {}}, 0));
  int32_t type = kFloat;
  if (call.has_attr("value")) {
    const ReadTensor given = TRY(call.tensor_attr("value"));
    if (elements(given.tensor.type().shape) != 1 || given.beyond_int32)
      return call.error("value is " + to_string(given.tensor.type()) +
                        ", must be one number, and within int32");
    value = TRY(call.reshape(call.constant(given.tensor), {}));
    type = given.onnx_type;
  }
  TRY(call.result(Op::Broadcast, {value}, with("shape", shape)));
  call.bind(0, call.results()[0].node, type);
  return {};
}

// The indices of all elements that are not 0: a row an axis.
Status non_zero(Call& call) {
  const Array array = TRY(call.constant(0, "its input"));
  TRY(call.read_elements(elements(array.type.shape) * call.rank(0)));  // its result, at most
  const Shape strides = row_major_strides(array.type.shape);
  std::vector<double> found;
  for (size_t i = 0; i < array.data.size(); ++i)
    if (array.data[i] != 0) found.push_back(static_cast<double>(i));
  Array out{
      {DType::I32, {call.rank(0), static_cast<int64_t>(found.size())}},
      {}
  };
  for (size_t axis = 0; axis < strides.size(); ++axis)
    for (const double at : found)
      out.data.push_back(
          static_cast<double>(static_cast<int64_t>(at) / strides[axis] % array.type.shape[axis]));
  return result_int64(call, out);
}

Status range(Call& call) {
  double bounds[3];
  const char* names[] = {"start", "limit", "delta"};
  for (size_t i = 0; i < 3; ++i) {
    const Array array = TRY(call.constant(i, names[i]));
    if (array.data.size() != 1) return call.error(std::string(names[i]) + " must be one number");
    bounds[i] = array.data[0];
  }
  const auto [start, limit, delta] = bounds;
  const double count = delta == 0 ? NAN : std::max(0.0, std::ceil((limit - start) / delta));
  if (!(count <= static_cast<double>(kMaxRange)) || !call.spend(static_cast<int64_t>(count)))
    return call.error("makes " + std::to_string(count) + " elements, must be at most 2^20, and " +
                      "2^25 in the whole model");
  std::vector<double> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = start + static_cast<double>(i) * delta;
  const Array array = list(call.dtype(0), std::move(values));
  call.result_constant({to_tensor(array), call.value(0).onnx_type, std::nullopt});
  return {};
}

}  // namespace tessera::handlers
