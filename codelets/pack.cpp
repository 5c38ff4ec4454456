// SPDX-License-Identifier: Apache-2.0
#include "codelets/pack.h"

#include "codelets/rows.h"
#include "codelets/rules.h"
#include "codelets/segments.h"

namespace tessera::codelets {
namespace {

Status check(const VertexShape& shape) {
  TRY(check_params("pack", shape, {}));
  TRY(check_operand_count("pack", shape, 3));
  TRY(check_operand("pack", shape, 0, {Accept::Any, Shape(3, kAnySize)}));
  TRY(check_operand("pack", shape, 1, {Accept::I32, Shape(1, kAnySize)}));
  const int64_t n = shape.operands[0].size[2];
  TRY(check_operand("pack", shape, 2,
                    {
                        Accept::Any, {kAnySize, n},
                         true
  }));
  return check_same_dtype("pack", shape, 2, 0);
}

Cycles cycles(const VertexShape& shape, const Target& target) {
  const OperandShape& out = shape.operands[2];
  return segment_cycles(out.size[0], out.size[1] * size_of(out.dtype), shape.operands[1].size[0],
                        target);
}

int64_t state_bytes(const VertexShape&) { return 32; }

std::string constants(const VertexShape& shape) {
  return bytes_of(PackConstants{.element = element_of(shape.operands[0].dtype)});
}

Extents extents(const VertexShape&) {
  return {
      {"..N", ".", "TN"},
      {{'T', 1}, {'N', 64}}
  };
}

}  // namespace

Codelet pack() {
  return {.name = "pack",
          .check = check,
          .cycles = cycles,
          .code_bytes = 512,
          .state_bytes = state_bytes,
          .constants = constants,
          .scratch_bytes = no_scratch,
          .extents = extents,
          .bitcode = {}};
}

}  // namespace tessera::codelets
