// SPDX-License-Identifier: Apache-2.0
// input and constant: where values come from.
#include "ir/ops/ops.h"
#include "support/check.h"

namespace tessera::ops {

Expected<TensorType> Input::infer(const Node& node) { return node.type; }

Expected<Array> Input::eval(const Node& node, std::span<const Array>) {
  return fail(node, "has no value of its own, it must be given one");
}

Expected<TensorType> Constant::infer(const Node& node) { return node.value.type(); }

Expected<Array> Constant::eval(const Node& node, std::span<const Array>) {
  if (!node.value.has_data()) return fail(node, "has no data: its text left them out");
  return to_array(node.value);
}

}  // namespace tessera::ops
