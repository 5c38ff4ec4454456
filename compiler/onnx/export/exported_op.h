// SPDX-License-Identifier: Apache-2.0
// Each op's way out to ONNX, from its row of ir/ops.def.
#pragma once

#include <cstdint>

#include "ir/op_table.h"

namespace tessera {

// How far an operation of ONNX is the op, and its name there.
enum class OnnxForm : uint8_t { None, Same, Wider, Different, Own };
struct ExportedOp {
  OnnxForm form;
  const char* name;
};
inline constexpr ExportedOp kExportedOps[] = {
#define OP(id, text, min, max, elements, how, half, values, form, onnx, ...) {OnnxForm::form, onnx},
#include "ir/ops.def"
#undef OP
};
constexpr const ExportedOp& exported(Op op) { return kExportedOps[static_cast<size_t>(op)]; }

}  // namespace tessera
