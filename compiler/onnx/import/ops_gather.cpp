// SPDX-License-Identifier: Apache-2.0
// ONNX operations that look elements up by number. All become one gather over a table whose rows
// are the elements that the numbers tell apart. Constant numbers that step evenly are said as what
// they are: a slice of the table, transposed and stretched.
#include <algorithm>
#include <numeric>

#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/import/rows.h"

namespace tessera::handlers {
namespace {

Error out_of_axis(const Call& call, double index, int64_t size, int64_t axis) {
  return call.error("index is " + std::to_string(static_cast<int64_t>(index)) +
                    ", must be within the " + std::to_string(size) + " of axis " +
                    std::to_string(axis));
}

// Counted from the front, and checked.
Expected<bool> count_from_front(const Call& call, Array& indices, int64_t size, int64_t axis) {
  bool changed = false;
  for (double& index : indices.data) {
    if (index < static_cast<double>(-size) || index >= static_cast<double>(size))
      return out_of_axis(call, index, size, axis);
    changed |= index < 0;
    if (index < 0) index += static_cast<double>(size);
  }
  return changed;
}

Status check_indices(const Call& call, size_t i) {
  if (call.dtype(i) == DType::I32) return {};
  return call.error("indices are " + to_string(call.in(i)->type) + ", must be integers");
}

Expected<Node*> reshaped_gather(Call& call, Node* indices, int64_t axis) {
  const Shape& shape = call.shape(0);
  Shape back(shape.begin() + axis, shape.end());
  Node* table = TRY(call.reshape(call.in(0), back));
  Array numbers = to_array(indices->value);
  return rows_at(call, table, numbers.type.shape, {numbers.data.begin(), numbers.data.end()});
}

}  // namespace

// Constant indices are counted from the front at once, and checked. Where the table is computed
// from the model's inputs and its axis is the first one of more than one element, several evenly
// stepped ones are a slice.
Status gather(Call& call) {
  const int64_t axis = TRY(call.axis(call.attr("axis", int64_t{0}), call.rank(0)));
  Node* indices = call.in(1);
  if (indices->is(Op::Constant) && !call.settled() && indices->type.dtype == DType::I32) {
    TRY(call.read_elements(elements(indices->type.shape)));
    Array array = to_array(indices->value);
    const int64_t size = call.shape(0)[static_cast<size_t>(axis)];
    if (TRY(count_from_front(call, array, size, axis))) indices = call.constant(array);
    const Shape& shape = call.shape(0);
    const bool first = elements({shape.begin(), shape.begin() + axis}) == 1;
    if (first && elements(indices->type.shape) > 1 && indices->type.shape.size() > 1 &&
        !call.is_known(call.in(0))) {
      Node* rows = TRY(reshaped_gather(call, indices, axis));
      if (!rows->is(Op::Gather)) {
        Shape out(shape.begin(), shape.begin() + axis);
        out.insert(out.end(), rows->type.shape.begin(), rows->type.shape.end());
        call.bind(0, TRY(call.reshape(rows, out)), call.value(0).onnx_type);
        return {};
      }
    }
  }
  return call.result(Op::Gather, {call.in(0), indices}, with("axis", axis));
}

namespace {

Status check_rows(const Call& call, int64_t rows) {
  if (rows <= INT32_MAX) return {};
  return call.error("looks up " + std::to_string(rows) + " elements, must be within int32");
}

// A tuple of indices stands along the last axis of operand 1; it names axes of operand 0 from
// `first` on.
struct Tuples {
  Shape dims;   // of the axes that are named, those of the batch before them
  Shape shape;  // of the tuples
  int64_t first, size;
};

Expected<Tuples> tuples_of(const Call& call, int64_t batch_dims) {
  const int64_t data = call.rank(0), indices = call.rank(1);
  TRY(check_indices(call, 1));
  const std::string inputs =
      "inputs are " + to_string(call.in(0)->type) + " and " + to_string(call.in(1)->type) + ", ";
  if (indices < 1 || batch_dims < 0 || batch_dims >= indices || batch_dims > data)
    return call.error(inputs + "which must have more than the " + std::to_string(batch_dims) +
                      " axes of batch_dims");
  const int64_t size = call.shape(1).back();
  if (batch_dims + size > data)
    return call.error(inputs + "the last axis of indices must be at most " +
                      std::to_string(data - batch_dims));
  Tuples tuples{
      {call.shape(0).begin(), call.shape(0).begin() + batch_dims + size},
      {call.shape(1).begin(), call.shape(1).end() - 1                  },
      batch_dims,
      size
  };
  if (!std::equal(tuples.dims.begin(), tuples.dims.begin() + batch_dims, tuples.shape.begin()))
    return call.error(inputs + "whose first " + std::to_string(batch_dims) +
                      " axes (batch_dims) must be equal");
  TRY(check_rows(call, elements(tuples.dims)));
  return tuples;
}

// The rows that constant tuples name.
Expected<std::vector<int64_t>> constant_rows(Call& call, const Tuples& tuples) {
  const Array array = TRY(call.constant(1, "indices"));
  const Shape strides = row_major_strides(tuples.dims);
  const Shape places = row_major_strides(tuples.shape);
  std::vector<int64_t> rows(static_cast<size_t>(elements(tuples.shape)), 0);
  TRY(call.read_elements(std::ssize(rows)));
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t b = 0; b < static_cast<size_t>(tuples.first); ++b)
      rows[i] += static_cast<int64_t>(i) / places[b] % tuples.dims[b] * strides[b];
    for (int64_t j = 0; j < tuples.size; ++j) {
      const auto axis = static_cast<size_t>(tuples.first + j);
      const int64_t size = tuples.dims[axis];
      const auto index = static_cast<int64_t>(
          array.data[i * static_cast<size_t>(tuples.size) + static_cast<size_t>(j)]);
      if (index < -size || index >= size)
        return out_of_axis(call, static_cast<double>(index), size, static_cast<int64_t>(axis));
      rows[i] += (index < 0 ? index + size : index) * strides[axis];
    }
  }
  return rows;
}

// Index j of every tuple.
Expected<Node*> part_of_tuples(Call& call, const Tuples& tuples, int64_t j) {
  Shape start(call.shape(1).size(), 0), step(call.shape(1).size(), 1), size = call.shape(1);
  start.back() = j;
  size.back() = 1;
  const Call::Attrs attrs = {
      {"start", start},
      {"step",  step },
      {"size",  size }
  };
  return call.reshape(TRY(call.add(Op::Slice, {call.in(1)}, attrs)), tuples.shape);
}

}  // namespace

Status gather_nd(Call& call) {
  const Tuples tuples = TRY(tuples_of(call, call.attr("batch_dims", int64_t{0})));
  const auto named = static_cast<int64_t>(tuples.dims.size());
  Shape table = {elements(tuples.dims)};
  table.insert(table.end(), call.shape(0).begin() + named, call.shape(0).end());
  Node* data = TRY(call.reshape(call.in(0), table));
  if (call.in(1)->is(Op::Constant)) {
    Node* rows = TRY(rows_at(call, data, tuples.shape, TRY(constant_rows(call, tuples))));
    call.bind(0, rows, call.value(0).onnx_type);
    return {};
  }
  const Shape strides = row_major_strides(tuples.dims);
  RowNumbers numbers(call, table[0], tuples.shape);
  for (size_t b = 0; b < static_cast<size_t>(tuples.first); ++b)
    TRY(numbers.add_counter(b, strides[b]));
  for (int64_t j = 0; j < tuples.size; ++j) {
    const auto axis = static_cast<size_t>(tuples.first + j);
    TRY(numbers.add(TRY(part_of_tuples(call, tuples, j)), tuples.dims[axis], strides[axis]));
  }
  return call.result(Op::Gather, {data, TRY(numbers.rows())}, with("axis", int64_t{0}));
}

namespace {

// A value without the stretches that repeat it: axes along which it is the same are 1.
struct Unstretched {
  Node* node;
  Shape shape;  // the node's, with 1s before it
};
Expected<Unstretched> unstretched(Call& call, Node* node) {
  const size_t rank = node->type.shape.size();
  while (node->is(Op::Broadcast)) node = node->in[0];
  Shape shape = node->type.shape;
  shape.insert(shape.begin(), rank - shape.size(), 1);
  return Unstretched{TRY(call.reshape(node, shape)), shape};
}

// Constant indices that are the same along an axis, cut to one there.
Expected<Node*> cut_repeats(Call& call, Node* indices, int64_t axis) {
  TRY(call.read_elements(elements(indices->type.shape)));
  Array array = to_array(indices->value);
  for (size_t d = 0; d < array.type.shape.size(); ++d) {
    if (static_cast<int64_t>(d) == axis || array.type.shape[d] < 2) continue;
    Shape& shape = array.type.shape;
    const int64_t inner = row_major_strides(shape)[d], block = inner * shape[d];
    Array cut{array.type, {}};
    cut.type.shape[d] = 1;
    bool same = true;
    for (int64_t at = 0; at < std::ssize(array.data) && same; at += block) {
      const auto from = array.data.begin() + at;
      same = std::equal(from, from + block - inner, from + inner);
      cut.data.insert(cut.data.end(), from, from + inner);
    }
    if (same && !array.data.empty()) array = std::move(cut);
  }
  return array.type == indices->type ? indices : call.constant(array);
}

// The first `size` along each axis but `axis`, as many as there are indices.
Expected<Unstretched> cut_to(Call& call, Unstretched x, const Shape& size, size_t axis) {
  const Shape zeros(size.size(), 0), ones(size.size(), 1);
  const Shape before = x.shape;
  for (size_t i = 0; i < size.size(); ++i)
    if (i != axis && x.shape[i] > 1) x.shape[i] = size[i];
  if (x.shape == before) return x;
  const Call::Attrs attrs = {
      {"start", zeros  },
      {"step",  ones   },
      {"size",  x.shape}
  };
  return Unstretched{TRY(call.add(Op::Slice, {x.node}, attrs)), x.shape};
}

Status check_elements(const Call& call, size_t axis) {
  TRY(check_indices(call, 1));
  const Shape &data = call.shape(0), &indices = call.shape(1);
  bool fits = data.size() == indices.size();
  for (size_t i = 0; fits && i < data.size(); ++i) fits = i == axis || indices[i] <= data[i];
  if (fits) return {};
  return call.error("inputs are " + to_string(call.in(0)->type) + " and " +
                    to_string(call.in(1)->type) +
                    ", indices must have as many axes and be within the others");
}

// The axes of a lookup of elements, by what varies along them.
struct ElementAxes {
  std::vector<int64_t> joint;  // the table and the numbers, and last the axis that is looked up
  std::vector<int64_t> data;   // the table alone
};
// An axis of the whole table that has one place, as that of a single row, is the table's.
ElementAxes axes_of(const Shape& data, const Shape& whole, const Shape& indices, size_t axis) {
  ElementAxes axes;
  for (size_t i = 0; i < data.size(); ++i) {
    if (i == axis || (data[i] <= 1 && whole[i] != 1)) continue;
    (indices[i] > 1 ? axes.joint : axes.data).push_back(static_cast<int64_t>(i));
  }
  axes.joint.push_back(static_cast<int64_t>(axis));
  return axes;
}

Shape picked(const Shape& shape, const std::vector<int64_t>& axes) {
  Shape out;
  for (const int64_t axis : axes) out.push_back(shape[static_cast<size_t>(axis)]);
  return out;
}

// [rows, what the table alone varies along]
Expected<Node*> table_of(Call& call, const Unstretched& data, const ElementAxes& axes) {
  std::vector<int64_t> perm = axes.joint;
  perm.insert(perm.end(), axes.data.begin(), axes.data.end());
  for (int64_t i = 0; i < std::ssize(data.shape); ++i)
    if (!std::ranges::count(perm, i)) perm.push_back(i);
  Shape table = picked(data.shape, axes.data);
  table.insert(table.begin(), elements(picked(data.shape, axes.joint)));
  return call.reshape(TRY(call.transpose(data.node, perm)), table);
}

// [indices' axes, those of the table alone] to the axes of the result.
Expected<Node*> in_place(Call& call, Node* rows, const Shape& indices, const ElementAxes& axes) {
  Shape shape = indices;
  std::vector<int64_t> perm(indices.size());
  std::iota(perm.begin(), perm.end(), 0);
  const auto rank = std::ssize(indices);
  for (size_t i = 0; i < axes.data.size(); ++i) {  // changes places with the 1 that stands there
    shape[static_cast<size_t>(axes.data[i])] = rows->type.shape[indices.size() + i];
    perm[static_cast<size_t>(axes.data[i])] = rank + static_cast<int64_t>(i);
    perm.push_back(axes.data[i]);
  }
  return call.reshape(TRY(call.transpose(rows, perm)), shape);
}

}  // namespace

Status gather_elements(Call& call) {
  const auto axis =
      static_cast<size_t>(TRY(call.axis(call.attr("axis", int64_t{0}), call.rank(0))));
  TRY(check_elements(call, axis));
  const Shape out = call.shape(1);
  Unstretched data = TRY(cut_to(call, TRY(unstretched(call, call.in(0))), out, axis));
  if (data.shape[axis] != call.shape(0)[axis]) {  // stretched along the axis that is looked up
    data.shape[axis] = call.shape(0)[axis];
    data.node = TRY(call.broadcast(data.node, data.shape));
  }
  Unstretched indices = TRY(unstretched(call, call.in(1)));
  if (indices.node->is(Op::Constant)) {
    indices.node = TRY(cut_repeats(call, indices.node, -1));
    indices.shape = indices.node->type.shape;
  }
  const ElementAxes axes = axes_of(data.shape, call.shape(0), indices.shape, axis);
  Node* table = TRY(table_of(call, data, axes));
  const Shape joint = picked(data.shape, axes.joint), strides = row_major_strides(joint);
  TRY(check_rows(call, elements(joint)));
  RowNumbers numbers(call, elements(joint), indices.shape);
  for (size_t i = 0; i + 1 < axes.joint.size(); ++i)
    TRY(numbers.add_counter(static_cast<size_t>(axes.joint[i]), strides[i]));
  TRY(numbers.add(indices.node, joint.back(), 1));
  Node* numbered = TRY(numbers.rows());
  Node* rows = nullptr;
  if (numbered->is(Op::Constant)) {
    Array at = to_array(numbered->value);
    TRY(count_from_front(call, at, table->type.shape[0], static_cast<int64_t>(axis)));
    rows = TRY(rows_at(call, table, at.type.shape, {at.data.begin(), at.data.end()}));
  } else {
    rows = TRY(call.add(Op::Gather, {table, numbered}, with("axis", int64_t{0})));
  }
  call.bind(0, TRY(call.broadcast(TRY(in_place(call, rows, indices.shape, axes)), out)),
            call.value(0).onnx_type);
  return {};
}

namespace {

// Operand 0 with some of its rows from operand 2: one gather of both, one behind the other.
Status replace_rows(Call& call, const Shape& table, const std::vector<int64_t>& at) {
  const std::string reduction = call.attr("reduction", "none");
  if (reduction != "none") return call.error("reduction is '" + reduction + "', must be 'none'");
  Shape updates = table;
  updates[0] = std::ssize(at);
  if (elements(updates) != elements(call.shape(2)) || call.dtype(0) != call.dtype(2))
    return call.error("inputs are " + to_string(call.in(0)->type) + " and updates " +
                      to_string(call.in(2)->type) + ", must be of one type and as many elements " +
                      "as the indices name");
  if (!call.spend(table[0])) return call.error("has too many elements to be numbered at import");
  TRY(check_rows(call, table[0] + updates[0]));
  std::vector<int64_t> from(static_cast<size_t>(table[0]));
  std::iota(from.begin(), from.end(), 0);
  for (size_t i = 0; i < at.size(); ++i)
    from[static_cast<size_t>(at[i])] = table[0] + static_cast<int64_t>(i);
  // All rows, in order: nothing is left of the others, however many there are.
  bool are_all = updates == table;
  for (size_t i = 0; are_all && i < at.size(); ++i) are_all = at[i] == static_cast<int64_t>(i);
  if (are_all) {
    call.bind(0, TRY(call.reshape(call.in(2), call.shape(0))), call.value(2).onnx_type);
    return {};
  }
  Node* both = TRY(call.add(
      Op::Concat, {TRY(call.reshape(call.in(0), table)), TRY(call.reshape(call.in(2), updates))},
      with("axis", int64_t{0})));
  Node* rows = TRY(rows_at(call, both, {table[0]}, from));
  call.bind(0, TRY(call.reshape(rows, call.shape(0))), call.value(0).onnx_type);
  return {};
}

}  // namespace

// If two indices name one row, the last update counts; the standard leaves this open.
Status scatter_nd(Call& call) {
  const Tuples tuples = TRY(tuples_of(call, 0));
  Shape table = {elements(tuples.dims)};
  table.insert(table.end(), call.shape(0).begin() + tuples.size, call.shape(0).end());
  return replace_rows(call, table, TRY(constant_rows(call, tuples)));
}

Status scatter_elements(Call& call) {
  const auto axis =
      static_cast<size_t>(TRY(call.axis(call.attr("axis", int64_t{0}), call.rank(0))));
  TRY(check_elements(call, axis));
  const Array array = TRY(call.constant(1, "indices"));
  const Shape strides = row_major_strides(call.shape(0)), places = row_major_strides(call.shape(1));
  std::vector<int64_t> at(array.data.size(), 0);
  TRY(call.read_elements(std::ssize(at)));
  for (size_t i = 0; i < at.size(); ++i) {
    for (size_t d = 0; d < strides.size(); ++d) {
      int64_t index = static_cast<int64_t>(i) / places[d] % call.shape(1)[d];
      const int64_t size = call.shape(0)[d];
      if (d == axis) {
        const auto given = static_cast<int64_t>(array.data[i]);
        if (given < -size || given >= size)
          return out_of_axis(call, array.data[i], size, static_cast<int64_t>(axis));
        index = given < 0 ? given + size : given;
      }
      at[i] += index * strides[d];
    }
  }
  return replace_rows(call, {elements(call.shape(0))}, at);
}

}  // namespace tessera::handlers
