// SPDX-License-Identifier: Apache-2.0
// Rows of a table by numbers that are known at import.
#pragma once

#include <numeric>

#include "compiler/onnx/import/call.h"

namespace tessera {

// Rows `at` of a table's first axis, in `shape` [shape, the table's other axes]. Numbers that step
// evenly along each axis of the shape are a slice, transposed and stretched; others a gather. All
// must be rows of the table.
Expected<Node*> rows_at(Call& call, Node* table, const Shape& shape,
                        const std::vector<int64_t>& at);

// The numbers of rows that a tuple of indices names, while they are put together.
class RowNumbers {
 public:
  RowNumbers(Call& call, int64_t rows, Shape shape)
      : call_(call), rows_(rows), shape_(std::move(shape)) {}

  // Adds indices along an axis of `size`; one step along it is `stride` rows. If the indices depend
  // on the model's inputs, the run checks them: an index outside of its axis becomes the number of
  // a row that the table does not have, and the gather refuses that.
  Status add(Node* indices, int64_t size, int64_t stride) {
    if (size == rows_ && stride == 1 && !sum_ &&
        !outside_) {  // the gather itself counts and checks
      sum_ = TRY(call_.broadcast(indices, shape_));
      return {};
    }
    Node* end = TRY(call_.like(indices, static_cast<double>(size)));
    Node* negative = TRY(call_.add(Op::Less, {indices, TRY(call_.like(indices, 0))}));
    Node* wrapped = TRY(call_.add(Op::Add, {indices, end}));
    Node* index = TRY(call_.add(Op::Select, {negative, wrapped, indices}));
    Node* below = TRY(call_.add(Op::Less, {index, TRY(call_.like(index, 0))}));
    Node* within = TRY(call_.add(
        Op::And, {TRY(call_.add(Op::Not, {below})), TRY(call_.add(Op::Less, {index, end}))}));
    inside_ = inside_ ? TRY(call_.add_broadcast(Op::And, {inside_, within})) : within;
    outside_ = true;
    return add_to_sum(index, stride);
  }
  // A counter along axis `axis` of the shape, in steps of `stride` rows.
  Status add_counter(size_t axis, int64_t stride) {
    Shape line(shape_.size(), 1);
    line[axis] = shape_[axis];
    if (!call_.spend(line[axis])) return call_.error("is too large to be counted at import");
    Array count{
        {DType::I32, line},
        std::vector<double>(static_cast<size_t>(line[axis]))
    };
    std::iota(count.data.begin(), count.data.end(), 0);
    return add_to_sum(call_.constant(count), stride);
  }
  Expected<Node*> rows() {
    Node* sum = sum_;
    if (!sum) sum = TRY(call_.full({DType::I32, shape_}, 0));
    sum = TRY(call_.broadcast(sum, shape_));
    if (!inside_) return sum;
    Node* none = TRY(call_.like(sum, static_cast<double>(rows_)));
    return call_.add(Op::Select, {TRY(call_.broadcast(inside_, shape_)), sum, none});
  }

 private:
  Status add_to_sum(Node* index, int64_t stride) {
    Node* step = TRY(call_.like(index, static_cast<double>(stride)));
    Node* part = stride == 1 ? index : TRY(call_.add(Op::Mul, {index, step}));
    sum_ = sum_ ? TRY(call_.add_broadcast(Op::Add, {sum_, part})) : part;
    return {};
  }

  Call& call_;
  int64_t rows_;
  Shape shape_;
  Node* sum_ = nullptr;
  Node* inside_ = nullptr;
  bool outside_ = false;
};

}  // namespace tessera
