// SPDX-License-Identifier: Apache-2.0
// ONNX operations that sum along axes: the reductions, said in reduce_sum and reduce_max; softmax,
// which before opset 13 meant something else; and the running sum.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

// A reduction in three parts: what is done before the sum, the sum itself, and what is done after.
struct Reduction {
  std::string_view name;
  Expected<Node*> (*before)(Call&, Node*);
  Op sum;
  Expected<Node*> (*after)(Call&, Node*);
};

Expected<Node*> nothing(Call&, Node* x) { return x; }
Expected<Node*> negated(Call& call, Node* x) {
  return call.add(Op::Mul, {x, TRY(call.like(x, -1))});
}
Expected<Node*> squared(Call& call, Node* x) { return call.add(Op::Mul, {x, x}); }
template <Op op>
Expected<Node*> by(Call& call, Node* x) {
  return call.add(op, {x});
}

constexpr Reduction kReductions[] = {
    {"ReduceL1",        by<Op::Abs>, Op::ReduceSum, nothing     },
    {"ReduceL2",        squared,     Op::ReduceSum, by<Op::Sqrt>},
    {"ReduceLogSum",    nothing,     Op::ReduceSum, by<Op::Log> },
    {"ReduceLogSumExp", nothing,     Op::ReduceSum, nothing     }, // see log_sum_exp
    {"ReduceMax",       nothing,     Op::ReduceMax, nothing     },
    {"ReduceMean",      nothing,     Op::ReduceSum, nothing     }, // divides, see reduce
    {"ReduceMin",       negated,     Op::ReduceMax, negated     },
    {"ReduceSum",       nothing,     Op::ReduceSum, nothing     },
    {"ReduceSumSquare", squared,     Op::ReduceSum, nothing     },
};

Shape kept_shape(Shape shape, const std::vector<int64_t>& axes) {
  for (const int64_t axis : axes) shape[static_cast<size_t>(axis)] = 1;
  return shape;
}

int64_t count_of(const Shape& shape, const std::vector<int64_t>& axes) {
  int64_t count = 1;
  for (const int64_t axis : axes) count *= shape[static_cast<size_t>(axis)];
  return count;
}

// log(sum(exp(x))) in two parts, each with the axes kept: the largest x, and log(sum(exp(x - it))),
// where no exponential is above 1.
struct LogSumExp {
  Node* top;
  Node* log_sum;
};
Expected<LogSumExp> log_sum_exp(Call& call, Node* x, const std::vector<int64_t>& axes) {
  const Shape kept = kept_shape(x->type.shape, axes);
  Node* top = TRY(call.reshape(TRY(call.add(Op::ReduceMax, {x}, with("axes", axes))), kept));
  Node* below = TRY(call.add(Op::Sub, {x, TRY(call.broadcast(top, x->type.shape))}));
  Node* power = TRY(call.add(Op::Exp, {below}));
  Node* sum = TRY(call.reshape(TRY(call.add(Op::ReduceSum, {power}, with("axes", axes))), kept));
  return LogSumExp{top, TRY(call.add(Op::Log, {sum}))};
}

// The axes to reduce: all of them where the node names none, or none if it says so.
Expected<std::vector<int64_t>> reduced_axes(Call& call) {
  const auto named = TRY(call.axes(1, call.rank(0)));
  if (named && !named->empty()) return *named;
  std::vector<int64_t> all;
  if (call.attr("noop_with_empty_axes", int64_t{0}) == 0) {
    all.resize(static_cast<size_t>(call.rank(0)));
    std::iota(all.begin(), all.end(), 0);
  }
  return all;
}

}  // namespace

// The sum keeps no axis of 1; where ONNX keeps them a reshape does.
Status reduce(Call& call) {
  const auto row = std::find_if(std::begin(kReductions), std::end(kReductions),
                                [&](const Reduction& r) { return r.name == call.op_type(); });
  const std::vector<int64_t> axes = TRY(reduced_axes(call));
  const Shape kept = kept_shape(call.shape(0), axes);
  const bool keepdims = call.attr("keepdims", int64_t{1}) != 0;
  const bool plain = row->name == "ReduceSum" || row->name == "ReduceMax";
  if (plain && !keepdims) return call.result(row->sum, {call.in(0)}, with("axes", axes));

  Node* out = nullptr;
  if (row->name == "ReduceLogSumExp") {
    const LogSumExp parts = TRY(log_sum_exp(call, call.in(0), axes));
    out = TRY(call.add(Op::Add, {parts.top, parts.log_sum}));
    // Where the largest is infinite it is the answer: its difference to itself is NaN.
    Node* infinity = TRY(call.like(parts.top, HUGE_VAL));
    Node* is_infinite = TRY(call.add(Op::Equal, {TRY(call.add(Op::Abs, {parts.top})), infinity}));
    out = TRY(call.add(Op::Select, {is_infinite, parts.top, out}));
  } else {
    out = TRY(call.add(row->sum, {TRY(row->before(call, call.in(0)))}, with("axes", axes)));
    if (keepdims) out = TRY(call.reshape(out, kept));
    if (row->name == "ReduceMean") {
      // Without elements it is 0, as ONNX Runtime's is: the standard leaves it open.
      const int64_t elements = std::max<int64_t>(1, count_of(call.shape(0), axes));
      Node* count = TRY(call.like(out, static_cast<double>(elements)));
      return call.result(Op::Div, {out, count});
    }
    out = TRY(row->after(call, out));
  }
  Shape shape = kept;
  if (!keepdims) {
    shape.clear();
    for (int64_t i = 0; i < call.rank(0); ++i)
      if (!std::binary_search(axes.begin(), axes.end(), i))
        shape.push_back(kept[static_cast<size_t>(i)]);
  }
  call.bind(0, TRY(call.reshape(out, shape)), call.value(0).onnx_type);
  return {};
}

// Products occur in shape arithmetic only, where all is constant.
Status reduce_prod(Call& call) {
  const std::vector<int64_t> axes = TRY(reduced_axes(call));
  const Array in = TRY(call.constant(0, "its input"));
  Shape strides = row_major_strides(in.type.shape);
  const Shape kept = kept_shape(in.type.shape, axes);
  const Shape kept_strides = row_major_strides(kept);
  Array out{
      {in.type.dtype, kept},
      std::vector<double>(static_cast<size_t>(elements(kept)), 1)
  };
  for (size_t i = 0; i < in.data.size(); ++i) {
    int64_t at = 0;
    for (size_t axis = 0; axis < kept.size(); ++axis)
      if (kept[axis] > 1)
        at += static_cast<int64_t>(i) / strides[axis] % kept[axis] * kept_strides[axis];
    out.data[static_cast<size_t>(at)] *= in.data[i];
  }
  if (in.type.dtype == DType::I32)
    for (const double value : out.data)
      if (std::abs(value) > INT32_MAX)
        return call.error("its result is computed to be " + std::to_string(value) +
                          ", must be within int32");
  if (call.attr("keepdims", int64_t{1}) == 0) {
    out.type.shape.clear();
    for (size_t axis = 0; axis < kept.size(); ++axis)
      if (!std::binary_search(axes.begin(), axes.end(), static_cast<int64_t>(axis)))
        out.type.shape.push_back(kept[axis]);
  }
  call.result_constant({to_tensor(out), call.value(0).onnx_type, std::nullopt});
  return {};
}

namespace {

// Along which axis of which shape a softmax works. Before opset 13 the axes from `axis` on are one.
struct Line {
  Shape shape;
  int64_t axis;
};
Expected<Line> softmax_line(Call& call) {
  const bool flattens = call.opset < 13;
  const int64_t axis =
      TRY(call.axis(call.attr("axis", flattens ? int64_t{1} : int64_t{-1}), call.rank(0)));
  const Shape& shape = call.shape(0);
  if (!flattens || axis == call.rank(0) - 1) return Line{shape, axis};
  const Shape before(shape.begin(), shape.begin() + axis);
  const Shape after(shape.begin() + axis, shape.end());
  return Line{
      {elements(before), elements(after)},
      1
  };
}

}  // namespace

Status softmax(Call& call) {
  const Line line = TRY(softmax_line(call));
  if (line.shape == call.shape(0))
    return call.result(Op::Softmax, {call.in(0)}, with("axis", line.axis));
  Node* flat = TRY(call.reshape(call.in(0), line.shape));
  Node* out = TRY(call.add(Op::Softmax, {flat}, with("axis", line.axis)));
  return call.result(Op::Reshape, {out}, with("shape", call.shape(0)));
}

// x - max - log(sum(exp(x - max))): log(softmax(x)) would lose the small ones, and one subtraction
// of both the low bits of the large ones.
Status log_softmax(Call& call) {
  const Line line = TRY(softmax_line(call));
  Node* x = TRY(call.reshape(call.in(0), line.shape));
  const LogSumExp parts = TRY(log_sum_exp(call, x, {line.axis}));
  Node* below = TRY(call.add(Op::Sub, {x, TRY(call.broadcast(parts.top, line.shape))}));
  Node* out = TRY(call.add(Op::Sub, {below, TRY(call.broadcast(parts.log_sum, line.shape))}));
  call.bind(0, TRY(call.reshape(out, call.shape(0))));
  return {};
}

namespace {

Expected<Node*> reversed(Call& call, Node* x, size_t axis) {
  const Shape& shape = x->type.shape;
  std::vector<int64_t> start(shape.size(), 0), step(shape.size(), 1);
  start[axis] = std::max<int64_t>(shape[axis] - 1, 0);
  step[axis] = -1;
  const Call::Attrs attrs = {
      {"start", start},
      {"step",  step },
      {"size",  shape}
  };
  return call.add(Op::Slice, {x}, attrs);
}

}  // namespace

Status cum_sum(Call& call) {
  const Array given = TRY(call.constant(1, "axis"));
  if (given.data.size() != 1) return call.error("axis must be one number");
  const int64_t axis = TRY(call.axis(static_cast<int64_t>(given.data[0]), call.rank(0)));
  const bool reverse = call.attr("reverse", int64_t{0}) != 0;
  const bool exclusive = call.attr("exclusive", int64_t{0}) != 0;
  if (!reverse && !exclusive) return call.result(Op::CumSum, {call.in(0)}, with("axis", axis));
  Node* x = call.in(0);
  if (reverse) x = TRY(reversed(call, x, static_cast<size_t>(axis)));
  Node* sum = TRY(call.add(Op::CumSum, {x}, with("axis", axis)));
  if (exclusive) sum = TRY(call.add(Op::Sub, {sum, x}));
  if (reverse) sum = TRY(reversed(call, sum, static_cast<size_t>(axis)));
  call.bind(0, sum, call.value(0).onnx_type);
  return {};
}

}  // namespace tessera::handlers
