// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/quantized.h"

#include "compiler/onnx/import/op_table.h"
#include "support/math.h"

namespace tessera {
namespace {

Call::Attrs slice_of(int64_t start) {
  return {
      {"start", Shape{start}},
      {"step",  Shape{1}    },
      {"size",  Shape{1}    }
  };
}

}  // namespace

Expected<DType> byte_type(Call& call, size_t i) {
  TRY(call.need({i}));
  const std::optional<DType> dtype = stored_dtype_of(call.value(i).onnx_type);
  if (dtype && is_byte(*dtype)) return *dtype;
  return call.error("input " + std::to_string(i) + " is of " +
                    element_type_name(call.value(i).onnx_type) + ", must be of int8 or uint8");
}

Expected<Node*> as_stored(Call& call, size_t i) {
  const std::optional<DType> dtype = stored_dtype_of(call.value(i).onnx_type);
  return dtype && is_byte(*dtype) ? call.cast(call.in(i), *dtype) : Expected<Node*>(call.in(i));
}

Expected<Node*> zero_or(Call& call, size_t i, DType dtype) {
  if (!call.in(i)) return call.full({dtype, {}}, 0);
  Node* zero = TRY(as_stored(call, i));
  if (zero->type.dtype == dtype) return zero;
  return call.error("zero point (input " + std::to_string(i) + ") is " + to_string(zero->type) +
                    ", must be of " + std::string(to_string(dtype)) + " as what it is for");
}

Expected<Node*> spread(Call& call, Node* numbers, const Shape& shape, const Along& along) {
  const Shape& given = numbers->type.shape;
  if (elements(given) == 1) return call.broadcast(TRY(call.reshape(numbers, {})), shape);
  if (shape.empty())
    return call.error("scale or zero point is " + to_string(numbers->type) +
                      ", must have one number as the input has");
  const auto axis = static_cast<size_t>(along.axis);
  if (along.block == 0) {
    if (given.size() != 1 || given[0] != shape[axis])
      return call.error("scale or zero point is " + to_string(numbers->type) +
                        ", must have one number, or one for each of the " +
                        std::to_string(shape[axis]) + " along axis " + std::to_string(axis));
    Shape column(shape.size(), 1);
    column[axis] = shape[axis];
    return call.broadcast(TRY(call.reshape(numbers, column)), shape);
  }
  Shape wanted = shape;
  wanted[axis] = along.block < 0 ? 0 : ceil_div(shape[axis], along.block);
  if (given != wanted)
    return call.error("scale or zero point is " + to_string(numbers->type) + ", must be " +
                      to_string(wanted) + " for blocks of " + std::to_string(along.block) +
                      " along axis " + std::to_string(axis));
  Shape apart = wanted, filled = wanted;
  apart.insert(apart.begin() + along.axis + 1, 1);
  filled[axis] *= along.block;
  Shape together = apart;
  together[axis + 1] = along.block;
  Node* all = TRY(call.broadcast(TRY(call.reshape(numbers, apart)), together));
  all = TRY(call.reshape(all, filled));
  if (filled == shape) return all;
  const Call::Attrs first = {
      {"start", Shape(shape.size(), 0)},
      {"step", Shape(shape.size(), 1)},
      {"size", shape}
  };
  return call.add(Op::Slice, {all}, first);
}

// As ONNX writes DynamicQuantizeLinear; where all numbers are 0 the scale is 1, as ONNX Runtime has
// it.
Expected<Dynamic> quantized_by_itself(Call& call, Node* x) {
  if (!is_float(x->type.dtype))
    return call.error("input is " + to_string(x->type) + ", must be of floats");
  Node* rows = x->type.shape.empty() ? TRY(call.reshape(x, {1})) : x;
  Node* ends = TRY(call.add(Op::RowEnds, {rows}));
  std::vector<int64_t> axes;
  for (int64_t axis = 0; axis + 1 < std::ssize(ends->type.shape); ++axis) axes.push_back(axis);
  if (!axes.empty()) ends = TRY(call.add(Op::ReduceMax, {ends}, with("axes", axes)));
  Node* below = TRY(call.reshape(TRY(call.add(Op::Slice, {ends}, slice_of(0))), {}));
  Node* above = TRY(call.reshape(TRY(call.add(Op::Slice, {ends}, slice_of(1))), {}));
  Node* width = TRY(call.add(Op::Add, {above, below}));
  Node* scale = TRY(call.add(Op::Div, {width, TRY(call.like(width, 255))}));
  Node* is_none = TRY(call.add(Op::Equal, {width, TRY(call.like(width, 0))}));
  scale = TRY(call.add(Op::Select, {is_none, TRY(call.like(scale, 1)), scale}));
  Node* zero = TRY(call.add(Op::Div, {below, scale}));
  zero = TRY(call.add(Op::Min, {zero, TRY(call.like(zero, 255))}));
  zero = TRY(call.cast(TRY(call.add(Op::Round, {zero})), DType::U8));
  const Shape& shape = x->type.shape;
  Node* made = TRY(call.add(
      Op::Quantize, {x, TRY(call.broadcast(scale, shape)), TRY(call.broadcast(zero, shape))},
      with("to", std::string(to_string(DType::U8)))));
  return Dynamic{made, scale, zero};
}

namespace {

// One number for each row of a, or each column of b: the other of the last two axes becomes 1.
Expected<Node*> zero_for(Call& call, Node* zero, const Shape& shape, bool of_rows) {
  Shape wanted = shape;
  wanted[wanted.size() - (of_rows ? 1 : 2)] = 1;
  const Shape given = zero->type.shape;
  if (elements(given) == 1) return call.broadcast(TRY(call.reshape(zero, {})), wanted);
  if (given.size() == 1 && of_rows) zero = TRY(call.reshape(zero, {given[0], 1}));
  for (size_t d = 0; d < zero->type.shape.size(); ++d) {
    const size_t back = zero->type.shape.size() - d;
    if (back <= wanted.size() &&
        (zero->type.shape[d] == 1 || zero->type.shape[d] == wanted[wanted.size() - back]))
      continue;
    return call.error("zero point is " + to_string(zero->type) + ", must have one number, or " +
                      to_string(wanted));
  }
  return call.broadcast(zero, wanted);
}

}  // namespace

Expected<Node*> multiply_integers(Call& call, Factor a, Factor b) {
  const size_t a_rank = a.x->type.shape.size(), b_rank = b.x->type.shape.size();
  if (a_rank == 0 || b_rank == 0)
    return call.error("inputs are " + to_string(a.x->type) + " and " + to_string(b.x->type) +
                      ", each must have at least 1 axis");
  if (a_rank == 1) a.x = TRY(call.reshape(a.x, {1, a.x->type.shape[0]}));
  if (b_rank == 1) b.x = TRY(call.reshape(b.x, {b.x->type.shape[0], 1}));
  TRY(handlers::align_matrices(call, a.x, b.x));
  a.zero = TRY(zero_for(call, a.zero, a.x->type.shape, true));
  b.zero = TRY(zero_for(call, b.zero, b.x->type.shape, false));
  Node* product = TRY(call.add(Op::MatMulInteger, {a.x, b.x, a.zero, b.zero}));
  Shape shape = product->type.shape;
  if (b_rank == 1) shape.pop_back();
  if (a_rank == 1) shape.erase(shape.end() - (b_rank == 1 ? 1 : 2));
  return call.reshape(product, shape);
}

Expected<Node*> product_of_scales(Call& call, Node* a, Node* b, const Shape& result) {
  for (Node** scale : {&a, &b}) {
    if (elements((*scale)->type.shape) == 1) *scale = TRY(call.reshape(*scale, {}));
  }
  // A list of the left side's is one for each row.
  if (a->type.shape.size() == 1 && result.size() > 1)
    a = TRY(call.reshape(a, {a->type.shape[0], 1}));
  return call.add_broadcast(Op::Mul, {a, b});
}

Expected<Node*> scaled_sum(Call& call, Node* sum, Node* scale) {
  Node* x = TRY(call.cast(sum, DType::F32));
  return call.add(Op::Mul, {x, TRY(call.broadcast(scale, x->type.shape))});
}

}  // namespace tessera
