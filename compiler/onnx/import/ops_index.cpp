// SPDX-License-Identifier: Apache-2.0
// ONNX operations that make indices of values, or masks of indices: said by a counter along an axis
// that the values are compared with.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/tensor.h"

namespace tessera::handlers {
namespace {

// 0, 1, 2 … along one axis, stretched to the shape. Counted down from the end if `down`.
Expected<Node*> counter(Call& call, const Shape& shape, size_t axis, bool down = false) {
  Shape line(shape.size(), 1);
  line[axis] = shape[axis];
  if (!call.spend(line[axis]))
    return call.error("has an axis of " + std::to_string(line[axis]) + ", must be shorter");
  Array count{
      {DType::I32, line},
      std::vector<double>(static_cast<size_t>(line[axis]))
  };
  std::iota(count.data.begin(), count.data.end(), 0);
  if (down) std::ranges::reverse(count.data);
  return call.broadcast(call.constant(count), shape);
}

// -x without a number that has no negative.
Expected<Node*> turned_over(Call& call, Node* x) {
  const bool whole = x->type.dtype == DType::I32;
  if (whole) return call.add(Op::Sub, {TRY(call.like(x, -1)), x});
  return call.add(Op::Mul, {x, TRY(call.like(x, -1))});
}

}  // namespace

// ArgMax and ArgMin: of the places that are not below the largest value the one whose number,
// counted from the end (or the front), is the largest. Where that value is NaN the first place.
Status arg_extreme(Call& call) {
  const int64_t at = TRY(call.axis(call.attr("axis", int64_t{0}), call.rank(0)));
  const auto axis = static_cast<size_t>(at);
  const bool last = call.attr("select_last_index", int64_t{0}) != 0;
  Node* x = call.in(0);
  if (x->type.dtype == DType::Bool)
    return call.error("input is " + to_string(x->type) + ", must be numbers");
  const Shape shape = x->type.shape;
  if (shape[axis] == 0)
    return call.error("input is " + to_string(x->type) + ", must have elements along axis " +
                      std::to_string(at));
  if (call.op_type() == "ArgMin") x = TRY(turned_over(call, x));
  Shape kept = shape;
  kept[axis] = 1;
  const Call::Attrs along = with("axes", std::vector<int64_t>{at});
  Node* top = TRY(call.reshape(TRY(call.add(Op::ReduceMax, {x}, along)), kept));
  Node* below = TRY(call.add(Op::Less, {x, TRY(call.broadcast(top, shape))}));
  Node* number = TRY(counter(call, shape, axis, !last));
  Node* found = TRY(call.add(Op::Select, {below, TRY(call.like(number, -1)), number}));
  Node* index = TRY(call.add(Op::ReduceMax, {found}, along));
  if (!last)
    index = TRY(
        call.add(Op::Sub, {TRY(call.like(index, static_cast<double>(shape[axis] - 1))), index}));
  if (call.attr("keepdims", int64_t{1}) != 0) index = TRY(call.reshape(index, kept));
  call.bind(0, index, ::onnx::TensorProto::INT64);
  return {};
}

namespace {

// How many of the largest TopK is asked for: an operand since opset 10.
Expected<int64_t> count_of_top(Call& call) {
  if (call.opset < 10) return call.attr("k", int64_t{-1});
  TRY(call.need({1}));
  const std::vector<int64_t> k = TRY(call.constant_ints(1, "k"));
  if (k.size() != 1) return call.error("k must be one number");
  return k[0];
}

// The values along an axis that are left, and the number of each, counted down to 0 at the last; -1
// for values that were taken.
struct Remaining {
  Node* values;
  Node* numbers;
};

// Takes the largest, of equal ones the first. {its value, its number}, both of one along the axis.
Expected<std::array<Node*, 2>> take_largest(Call& call, Remaining& left, int64_t axis) {
  const Shape shape = left.values->type.shape;
  Shape kept = shape;
  kept[static_cast<size_t>(axis)] = 1;
  const Call::Attrs along = with("axes", std::vector<int64_t>{axis});
  Node* top = TRY(call.reshape(TRY(call.add(Op::ReduceMax, {left.values}, along)), kept));
  Node* below = TRY(call.add(Op::Less, {left.values, TRY(call.broadcast(top, shape))}));
  Node* none = TRY(call.like(left.numbers, -1));
  Node* found = TRY(call.add(Op::Select, {below, none, left.numbers}));
  Node* number = TRY(call.reshape(TRY(call.add(Op::ReduceMax, {found}, along)), kept));
  Node* is_taken = TRY(call.add(Op::Equal, {left.numbers, TRY(call.broadcast(number, shape))}));
  const bool whole = left.values->type.dtype == DType::I32;
  Node* least = TRY(call.like(left.values, whole ? double{INT32_MIN} : -HUGE_VAL));
  left.values = TRY(call.add(Op::Select, {is_taken, least, left.values}));
  left.numbers = TRY(call.add(Op::Select, {is_taken, none, left.numbers}));
  return std::array<Node*, 2>{top, number};
}

}  // namespace

// The k largest (or smallest) along an axis, one after the other.
Status top_k(Call& call) {
  constexpr int64_t kMost = 64;
  const int64_t axis = TRY(call.axis(call.attr("axis", int64_t{-1}), call.rank(0)));
  const int64_t length = call.shape(0)[static_cast<size_t>(axis)];
  const int64_t k = TRY(count_of_top(call));
  if (k < 1 || k > std::min(length, kMost))
    return call.error("k is " + std::to_string(k) + ", must be in 1.." +
                      std::to_string(std::min(length, kMost)));
  if (call.dtype(0) == DType::Bool)
    return call.error("input is " + to_string(call.in(0)->type) + ", must be numbers");
  const bool largest = call.attr("largest", int64_t{1}) != 0;
  Node* x = largest ? call.in(0) : TRY(turned_over(call, call.in(0)));
  Remaining left{x, TRY(counter(call, x->type.shape, static_cast<size_t>(axis), true))};
  std::vector<Node*> values, numbers;
  for (int64_t i = 0; i < k; ++i) {
    const auto [value, number] = TRY(take_largest(call, left, axis));
    values.push_back(value);
    numbers.push_back(number);
  }
  const Call::Attrs along = with("axis", axis);
  Node* value = TRY(call.add(Op::Concat, values, along));
  if (!largest) value = TRY(turned_over(call, value));
  Node* number = TRY(call.add(Op::Concat, numbers, along));
  Node* last = TRY(call.like(number, static_cast<double>(length - 1)));
  if (call.wants(0)) call.bind(0, value, call.value(0).onnx_type);
  if (call.wants(1))
    call.bind(1, TRY(call.add(Op::Sub, {last, number})), ::onnx::TensorProto::INT64);
  return {};
}

// Ones on a diagonal of a matrix of the operand's shape.
Status eye_like(Call& call) {
  if (call.rank(0) != 2)
    return call.error("input is " + to_string(call.in(0)->type) + ", must be a matrix");
  const auto type =
      static_cast<int32_t>(call.attr("dtype", static_cast<int64_t>(call.value(0).onnx_type)));
  const auto dtype = dtype_of(type);
  if (!dtype) return call.error("dtype is " + element_type_name(type) + ", which is not supported");
  const Shape& shape = call.shape(0);
  const int64_t k = std::clamp(call.attr("k", int64_t{0}), -shape[0], shape[1]);
  if (!call.spend(elements(shape)))
    return call.error("makes " + std::to_string(elements(shape)) + " elements, must be fewer");
  Array eye{
      {*dtype, shape},
      std::vector<double>(static_cast<size_t>(elements(shape)), 0)
  };
  for (int64_t row = 0; row < shape[0]; ++row)
    if (row + k >= 0 && row + k < shape[1])
      eye.data[static_cast<size_t>(row * shape[1] + row + k)] = 1;
  call.result_constant({to_tensor(eye), type, std::nullopt});
  return {};
}

// An index outside of the depth has no hot place.
Status one_hot(Call& call) {
  const Array given = TRY(call.constant(1, "depth"));
  if (given.data.size() != 1 || !(given.data[0] >= 0 && given.data[0] <= INT32_MAX))
    return call.error("depth must be one number, and not negative");
  const auto depth = static_cast<int64_t>(given.data[0]);
  if (elements(call.shape(2)) != 2)
    return call.error("values are " + to_string(call.in(2)->type) + ", must be two");
  const int64_t rank = call.rank(0) + 1;
  const auto axis = static_cast<size_t>(TRY(call.axis(call.attr("axis", int64_t{-1}), rank)));
  Node* indices = TRY(call.cast(call.in(0), DType::I32));
  Node* end = TRY(call.like(indices, static_cast<double>(depth)));
  Node* negative = TRY(call.add(Op::Less, {indices, TRY(call.like(indices, 0))}));
  Node* index =
      TRY(call.add(Op::Select, {negative, TRY(call.add(Op::Add, {indices, end})), indices}));
  Shape shape = call.shape(0);
  shape.insert(shape.begin() + static_cast<int64_t>(axis), 1);
  index = TRY(call.reshape(index, shape));
  shape[axis] = depth;
  if (!is_valid_shape(shape)) return call.error("its result is too large, must be smaller");
  Node* hot = TRY(
      call.add(Op::Equal, {TRY(call.broadcast(index, shape)), TRY(counter(call, shape, axis))}));
  Node* values = TRY(call.reshape(call.in(2), {2}));
  Node* choice[2];
  for (int64_t i : {0, 1}) {
    const Call::Attrs one = {
        {"start", Shape{i}},
        {"step",  Shape{1}},
        {"size",  Shape{1}}
    };
    choice[i] = TRY(call.reshape(TRY(call.add(Op::Slice, {values}, one)), {}));
    choice[i] = TRY(call.broadcast(choice[i], shape));
  }
  return call.result(Op::Select, {hot, choice[1], choice[0]});
}

// The upper or lower part of matrices, from a diagonal on; zeros elsewhere. A diagonal that no
// int32 holds is past every corner, as the end of int32 that stands for it is.
Status trilu(Call& call) {
  const int64_t rank = call.rank(0);
  if (rank < 2)
    return call.error("input is " + to_string(call.in(0)->type) + ", must be of matrices");
  int64_t k = 0;
  if (call.in(1)) {
    const Array given = TRY(call.constant(1, "k"));
    if (given.data.size() != 1) return call.error("k must be one number");
    k = static_cast<int64_t>(given.data[0]);
  }
  const bool upper = call.attr("upper", int64_t{1}) != 0;
  const Shape matrix(call.shape(0).end() - 2, call.shape(0).end());
  if (!call.spend(elements(matrix)))
    return call.error("makes a mask of " + std::to_string(elements(matrix)) +
                      " elements, must be smaller");
  Array kept{
      {DType::Bool, matrix},
      {}
  };
  for (int64_t row = 0; row < matrix[0]; ++row)
    for (int64_t column = 0; column < matrix[1]; ++column)
      kept.data.push_back((upper ? column - row >= k : column - row <= k) ? 1 : 0);
  Node* mask = TRY(call.broadcast(call.constant(kept), call.shape(0)));
  TRY(call.result(Op::Select, {mask, call.in(0), TRY(call.like(call.in(0), 0))}));
  call.bind(0, call.results()[0].node, call.value(0).onnx_type);
  return {};
}

}  // namespace tessera::handlers
