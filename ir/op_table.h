// SPDX-License-Identifier: Apache-2.0
// The ops: what ir/ops.def says of each, and the way from a node to its op's functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ir/tensor.h"
#include "support/expected.h"
#include "support/type.h"

namespace tessera {

struct Node;

enum class Op : uint8_t {
#define OP(id, ...) id,
#include "ir/ops.def"
#undef OP
};

struct OpInfo {
  std::string_view name;  // of the C++ id: "LayerNorm"
  std::string_view text;  // in printed graphs: "layer_norm"
  int min_inputs;
  int max_inputs;          // -1: any number
  bool elementwise;        // one shape for all; element i of the result depends on elements i
  std::string_view attrs;  // "perm:ints axis:int eps:float mode:string", every one mandatory
};
const OpInfo& info(Op op);
std::optional<Op> parse_op(std::string_view text);

struct AttrSpec {
  std::string_view name;
  std::string_view kind;  // "int", "float", "string" or "ints"
};
// OpInfo::attrs, taken apart.
std::vector<AttrSpec> attr_specs(std::string_view attrs);

// Per op: the result's type from its operands and attributes, or an error in a user's words that
// starts with the node's name; and its meaning.
Expected<TensorType> infer(const Node& node);
// Operands are in the operands' types; the result is rounded to node.type by the caller. The only
// errors are of values: an index out of range, a length that does not fit.
Expected<Array> eval(const Node& node, std::span<const Array> in);

}  // namespace tessera
