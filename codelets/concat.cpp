// SPDX-License-Identifier: Apache-2.0
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"
#include "codelets/work.h"

namespace tessera::codelets {
namespace {

Status check(const VertexShape& shape) {
  TRY(check_params("concat", shape, {}));
  if (shape.operands.size() < 2)
    return violation("concat", "there are " + std::to_string(shape.operands.size()) +
                                   " operands, must be at least 2");
  const size_t inputs = shape.operands.size() - 1;
  TRY(check_operand("concat", shape, inputs, {Accept::Any, Shape(3, kAnySize), true}));
  const Shape& out = shape.operands[inputs].size;
  int64_t rows = 0;
  for (size_t i = 0; i < inputs; ++i) {
    TRY(check_operand("concat", shape, i,
                      {
                          Accept::Any, {out[0], kAnySize, out[2]}
    }));
    TRY(check_same_dtype("concat", shape, i, inputs));
    rows += shape.operands[i].size[1];
  }
  return check_operand("concat", shape, inputs,
                       {
                           Accept::Any, {out[0], rows, out[2]},
                            true
  });
}

// A copy of each input, in runs of the bytes that stay side by side; the rates are copy's
// (poplibs poplin ConvModel.cpp).
Cycles cycles(const VertexShape& shape, const Target&) {
  const int64_t item = size_of(shape.operands[0].dtype);
  int64_t hundredths = 0;
  for (size_t i = 0; i + 1 < shape.operands.size(); ++i) {
    const Shape& in = shape.operands[i].size;
    const int64_t run = in[1] * in[2] * item;
    hundredths += in[0] * run * (run % 8 == 0 ? 44 : run % 4 == 0 ? 310 : 515);
  }
  return Cycles{static_cast<uint64_t>(587 + ceil_div(hundredths, 100))};
}

int64_t state_bytes(const VertexShape& shape) {
  return 8 + 8 * static_cast<int64_t>(shape.operands.size());
}

std::string constants(const VertexShape& shape) {
  return bytes_of(ConcatConstants{.element = element_of(shape.operands[0].dtype),
                                  .inputs = static_cast<int64_t>(shape.operands.size()) - 1});
}

Extents extents(const VertexShape& shape) {
  std::vector<std::string> letters(shape.operands.size(), "O.N");
  letters.back() = "OkN";
  return {
      std::move(letters), {{'O', 1}, {'N', 64}}
  };
}

}  // namespace

Codelet concat() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 512,
          .state_bytes = state_bytes,
          .constants = constants,
          .extents = extents};
}

}  // namespace tessera::codelets
