// SPDX-License-Identifier: Apache-2.0
#include "compiler/declared_types.h"

namespace tessera {

NamedIntervals declared_ranges(const ModelDtypes& dtypes, const Graph& graph) {
  NamedIntervals ranges;
  for (const Node* input : graph.inputs) {
    const auto dtype = dtypes.find(input->name);
    if (dtype == dtypes.end() || input->type.dtype != DType::I32) continue;
    if (dtype->second == "uint8") ranges[input->name] = {0, 255};
    if (dtype->second == "int8") ranges[input->name] = {-128, 127};
  }
  return ranges;
}

namespace {

// A mask of bools or floats is an input of whole numbers where requests are packed.
bool is_held_as(const std::string& declared, DType dtype) {
  const bool is_whole = declared.find("int") != std::string::npos;
  return dtype != DType::I32 || is_whole;
}

}  // namespace

std::string declared_dtype(const ModelDtypes& dtypes, const std::string& name, DType dtype) {
  const auto found = dtypes.find(name);
  if (found != dtypes.end() && is_held_as(found->second, dtype)) return found->second;
  switch (dtype) {
    case DType::F32: return "float32";
    case DType::F16: return "float16";
    case DType::I32: return "int32";
    case DType::Bool: return "bool";
    case DType::I8: return "int8";
    case DType::U8: return "uint8";
    case DType::F143: return "float8_e4m3fnuz";
    case DType::F152: return "float8_e5m2fnuz";
  }
  return "";
}

}  // namespace tessera
