// SPDX-License-Identifier: Apache-2.0
// The columns of ir/ops.def that passes read: how each op stands to precision, and what its results
// hold. A new op names a rule that is there, or one that it adds here and in the three files that
// carry rules out: passes/value_range.cpp (numbers of any input), passes/typical_size.cpp (how
// large they mostly are) and passes/cell_range.cpp (those in the cells that padding adds).
#pragma once

#include <cstdint>

#include "ir/op_table.h"

namespace tessera {

enum class FloatRole : uint8_t {
  Source,    // of values that are given
  Moves,     // elements, as they are
  Computes,  // element by element, so in f32 it costs little
  Reduces,   // many elements to one
  Heavy,     // sums in f32 inside its codelet; in f32 it costs much
};

enum class ValueRule : uint8_t {
  Input,     // what the model or its other inputs say of it
  Constant,  // its own elements
  Unknown,   // any number
  Trained,   // an activation: as large as training left it
  Truth,     // 0 or 1
  Bytes,     // all numbers of its dtype
  Curve,     // -1 to 1, for infinite operands too
  Wave,      // -1 to 1, and NaN of what is infinite
  Share,     // 0 to 1
  Moved,     // elements of its first operand
  OrZero,    // elements of its first operand, and zeros
  // Rules of one op, or of two:
  Add,
  Sub,
  Mul,
  Div,
  Pow,
  Max,
  Min,
  And,
  Abs,
  Exp,
  Log,
  Sqrt,
  Floor,
  Round,
  Select,
  Cast,
  Concat,
  MatMul,
  Sum,
  CumSum,
  Gelu,
  Norm,
  Rotary,
  Attention,
};

struct OpRules {
  FloatRole half;
  ValueRule values;
};
// By Op, from the table.
inline constexpr OpRules kOpRules[] = {
#define OP(id, text, min, max, elements, how, half, values, ...) \
  {FloatRole::half, ValueRule::values},
#include "ir/ops.def"
#undef OP
};

constexpr FloatRole role_of(Op op) { return kOpRules[static_cast<size_t>(op)].half; }
constexpr ValueRule rule_of_values(Op op) { return kOpRules[static_cast<size_t>(op)].values; }

}  // namespace tessera
