// SPDX-License-Identifier: Apache-2.0
#include "codelets/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tessera {
namespace {

bool accepts(Accept accept, DType dtype) {
  switch (accept) {
    case Accept::Float: return is_float(dtype);
    case Accept::Fp8: return is_fp8(dtype);
    case Accept::I32: return dtype == DType::I32;
    case Accept::Byte: return is_byte(dtype);
    case Accept::Integer: return dtype == DType::I32 || is_byte(dtype);
    case Accept::Any: return true;
  }
  return false;
}

std::string_view to_string(Accept accept) {
  switch (accept) {
    case Accept::Float: return "float";
    case Accept::Fp8: return "fp8";
    case Accept::I32: return "i32";
    case Accept::Byte: return "byte";
    case Accept::Integer: return "integer";
    case Accept::Any: return "any";
  }
  return "";
}

bool matches(const Shape& size, const Shape& rule) {
  if (size.size() != rule.size()) return false;
  for (size_t d = 0; d < size.size(); ++d) {
    if (size[d] < 1 || (rule[d] != kAnySize && rule[d] != size[d])) return false;
  }
  return true;
}

std::string describe(const OperandRule& rule) {
  std::string text = fmt::format("{}[", to_string(rule.dtype));
  for (size_t d = 0; d < rule.size.size(); ++d) {
    if (d > 0) text += ',';
    text += rule.size[d] == kAnySize ? "*" : std::to_string(rule.size[d]);
  }
  return text + "]";
}

}  // namespace

Error violation(std::string_view codelet, std::string_view what) {
  return Error{fmt::format("{}: {}", codelet, what), ErrorKind::BadFile};
}

Status check_params(std::string_view codelet, const VertexShape& shape,
                    std::initializer_list<std::string_view> names, bool lists) {
  std::vector<std::string_view> given;
  for (const Param& param : *shape.params) given.push_back(param.name);
  if (!std::ranges::equal(given, names)) {
    return violation(codelet, fmt::format("params are ({}), must be ({})", fmt::join(given, ", "),
                                          fmt::join(names, ", ")));
  }
  if (lists) return {};
  for (const Param& param : *shape.params) {
    if (param.values.size() != 1) {
      return violation(codelet,
                       fmt::format("{} has {} values, must be 1", param.name, param.values.size()));
    }
    for (const double value : param.values) {
      if (std::isfinite(value)) continue;
      return violation(codelet, fmt::format("{} is {}, must be finite", param.name, value));
    }
  }
  return {};
}

Expected<int64_t> int_param(std::string_view codelet, const VertexShape& shape,
                            std::string_view name, int64_t low, int64_t high) {
  const double value = param(*shape.params, name);
  if (value >= static_cast<double>(low) && value <= static_cast<double>(high) &&
      std::floor(value) == value) {
    return static_cast<int64_t>(value);
  }
  return violation(codelet,
                   fmt::format("{} is {}, must be an integer in {}..{}", name, value, low, high));
}

Status check_operand_count(std::string_view codelet, const VertexShape& shape, size_t count) {
  if (shape.operands.size() == count) return {};
  return violation(codelet,
                   fmt::format("there are {} operands, must be {}", shape.operands.size(), count));
}

Status check_operand(std::string_view codelet, const VertexShape& shape, size_t operand,
                     const OperandRule& rule) {
  const OperandShape& is = shape.operands[operand];
  if (!accepts(rule.dtype, is.dtype) || !matches(is.size, rule.size)) {
    return violation(
        codelet, fmt::format("operand {} is {}, must be {}", operand,
                             tessera::to_string(TensorType{is.dtype, is.size}), describe(rule)));
  }
  if (is.writes != rule.writes) {
    return violation(codelet,
                     fmt::format("operand {} is {}, must be {}", operand,
                                 is.writes ? "written" : "read", rule.writes ? "written" : "read"));
  }
  return {};
}

Status check_same_dtype(std::string_view codelet, const VertexShape& shape, size_t operand,
                        size_t as) {
  const DType is = shape.operands[operand].dtype, must_be = shape.operands[as].dtype;
  if (is == must_be) return {};
  return violation(codelet, fmt::format("operand {} is {}, must be {} as operand {} is", operand,
                                        tessera::to_string(is), tessera::to_string(must_be), as));
}

}  // namespace tessera
