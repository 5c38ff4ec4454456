// SPDX-License-Identifier: Apache-2.0
#include "ir/op_table.h"

#include <array>
#include <cmath>
#include <limits>

#include "ir/ops/ops.h"

namespace tessera {
namespace {

constexpr OpInfo kOps[] = {
#define OP(id, text, min, max, elements, how, half, values, form, onnx, attrs) \
  {#id, text, min, max, std::string_view(#elements) == "elementwise", attrs},
#include "ir/ops.def"
#undef OP
};

constexpr const char* kAttrKinds[] = {"int", "float", "string", "ints"};  // as in Attr

Status check_inputs(const Node& node) {
  const OpInfo& op = info(node.op);
  const auto count = static_cast<int>(node.in.size());
  if (count >= op.min_inputs && (op.max_inputs < 0 || count <= op.max_inputs)) return {};
  std::string wanted = std::to_string(op.min_inputs);
  if (op.max_inputs < 0) wanted += " or more";
  if (op.max_inputs > op.min_inputs) wanted += " to " + std::to_string(op.max_inputs);
  return ops::fail(node, "has " + std::to_string(count) + " inputs, must have " + wanted);
}

// A constant whose data a printed text left out keeps their digest in place of them.
std::string_view attrs_of(const Node& node) {
  const bool elided = node.is(Op::Constant) && !node.value.has_data();
  return elided ? "elided:string" : info(node.op).attrs;
}

Status check_attrs(const Node& node) {
  const std::vector<AttrSpec> specs = attr_specs(attrs_of(node));
  for (const AttrSpec& spec : specs) {
    const auto found = node.attrs.find(std::string(spec.name));
    if (found == node.attrs.end())
      return ops::fail(node, "attribute " + std::string(spec.name) + " is missing, must be " +
                                 std::string(spec.kind));
    const std::string kind = kAttrKinds[found->second.index()];
    if (kind != spec.kind)
      return ops::fail(node, "attribute " + std::string(spec.name) + " is " + kind + ", must be " +
                                 std::string(spec.kind));
  }
  for (const auto& [key, value] : node.attrs) {
    bool known = false;
    for (const AttrSpec& spec : specs) known |= spec.name == key;
    if (!known) return ops::fail(node, "attribute " + key + " is there, must be one of its own");
  }
  return {};
}

// Integers do not wrap: a model that relies on it would have lost its meaning at import, where
// int64 became int32.
Status check_range(const Node& node, const Array& result) {
  if (result.type.dtype != DType::I32) return {};
  constexpr double kLow = std::numeric_limits<int32_t>::min();
  constexpr double kHigh = std::numeric_limits<int32_t>::max();
  for (size_t i = 0; i < result.data.size(); ++i) {
    const double value = std::trunc(result.data[i]);
    if (!(value >= kLow && value <= kHigh))
      return ops::fail(node, "element " + std::to_string(i) + " is " + std::to_string(value) +
                                 ", must fit in 32 bits");
  }
  return {};
}

Expected<TensorType> infer_of(const Node& node) {
  switch (node.op) {
#define OP(id, ...) \
  case Op::id: return ops::id::infer(node);
#include "ir/ops.def"
#undef OP
  }
  return ops::fail(node, "is not an op");
}

Expected<Array> eval_of(const Node& node, std::span<const Array> in) {
  switch (node.op) {
#define OP(id, ...) \
  case Op::id: return ops::id::eval(node, in);
#include "ir/ops.def"
#undef OP
  }
  return ops::fail(node, "is not an op");
}

}  // namespace

const OpInfo& info(Op op) { return kOps[static_cast<size_t>(op)]; }

std::optional<Op> parse_op(std::string_view text) {
  for (size_t i = 0; i < std::size(kOps); ++i)
    if (kOps[i].text == text) return static_cast<Op>(i);
  return std::nullopt;
}

std::vector<AttrSpec> attr_specs(std::string_view attrs) {
  std::vector<AttrSpec> specs;
  while (!attrs.empty()) {
    const std::string_view word = attrs.substr(0, attrs.find(' '));
    attrs.remove_prefix(std::min(word.size() + 1, attrs.size()));
    const size_t colon = word.find(':');
    specs.push_back({word.substr(0, colon), word.substr(colon + 1)});
  }
  return specs;
}

Expected<TensorType> infer(const Node& node) {
  TRY(check_inputs(node));
  TRY(check_attrs(node));
  const TensorType type = TRY(infer_of(node));
  if (is_valid_shape(type.shape)) return type;
  return ops::fail(node, "result is " + to_string(type) + ", must have at most " +
                             std::to_string(kMaxRank) + " dimensions and " +
                             std::to_string(kMaxElements) + " elements");
}

Expected<Array> eval(const Node& node, std::span<const Array> in) {
  Array result = TRY(eval_of(node, in));
  TRY(check_range(node, result));
  return result;
}

}  // namespace tessera
