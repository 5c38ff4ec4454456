// SPDX-License-Identifier: Apache-2.0
#include "compiler/op_types.h"

#include <string_view>

namespace tessera {
namespace {

struct Named {
  Op op;
  std::string_view name, onnx;
};
constexpr Named kOps[] = {
#define OP(id, text, min, max, elements, how, half, values, form, onnx, ...) {Op::id, #id, onnx},
#include "ir/ops.def"
#undef OP
};

}  // namespace

std::optional<Op> op_of_type(const std::string& type) {
  if (type.empty()) return std::nullopt;
  if (type == "GroupNormalization") return Op::LayerNorm;
  for (const Named& op : kOps)
    if (op.name == type || op.onnx == type) return op.op;
  return std::nullopt;
}

}  // namespace tessera
