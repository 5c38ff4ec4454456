// SPDX-License-Identifier: Apache-2.0
#include "codelets/unpack.h"

#include "codelets/rows.h"
#include "codelets/rules.h"
#include "codelets/segments.h"

namespace tessera::codelets {
namespace {

Status check(const VertexShape& shape) {
  TRY(check_params("unpack", shape, {}));
  TRY(check_operand_count("unpack", shape, 3));
  TRY(check_operand("unpack", shape, 0, {Accept::Any, Shape(2, kAnySize)}));
  TRY(check_operand("unpack", shape, 1, {Accept::I32, Shape(1, kAnySize)}));
  const int64_t n = shape.operands[0].size[1];
  TRY(check_operand("unpack", shape, 2,
                    {
                        Accept::Any, {kAnySize, kAnySize, n},
                         true
  }));
  return check_same_dtype("unpack", shape, 2, 0);
}

Cycles cycles(const VertexShape& shape, const Target& target) {
  const OperandShape& out = shape.operands[2];
  return segment_cycles(out.size[0] * out.size[1], out.size[2] * size_of(out.dtype),
                        shape.operands[1].size[0], target);
}

int64_t state_bytes(const VertexShape&) { return 32; }

std::string constants(const VertexShape& shape) {
  return bytes_of(UnpackConstants{.element = element_of(shape.operands[0].dtype)});
}

Extents extents(const VertexShape&) {
  return {
      {".N",     ".",      "SLN"    },
      {{'S', 1}, {'L', 1}, {'N', 64}}
  };
}

}  // namespace

Codelet unpack() {
  return {.name = "unpack",
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
