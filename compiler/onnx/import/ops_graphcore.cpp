// SPDX-License-Identifier: Apache-2.0
// Domain ai.graphcore: the Graph's own ops as export_onnx writes them, attribute for attribute.
#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

Expected<Attr> read_attr(Call& call, const std::string& name, std::string_view kind) {
  const auto* attribute = call.find_attr(name.c_str());
  if (!attribute) return call.error("has no attribute '" + name + "', must have it");
  if (kind == "int") return Attr(attribute->i());
  if (kind == "string") return Attr(attribute->s());
  if (!attribute->has_t()) return Attr(double{attribute->f()});
  // A tensor of one double, where a float would lose bits.
  if (attribute->t().double_data_size() != 1)
    return call.error("attribute '" + name + "' is a tensor, must be of one float64");
  return Attr(attribute->t().double_data(0));
}

}  // namespace

Status own(Call& call, Op op) {
  Call::Attrs attrs;
  for (const AttrSpec& spec : attr_specs(info(op).attrs)) {
    const std::string name(spec.name);
    attrs[name] = TRY(read_attr(call, name, spec.kind));
  }
  return call.result(op, TRY(call.all_in()), std::move(attrs));
}

}  // namespace tessera::handlers
