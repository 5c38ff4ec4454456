// SPDX-License-Identifier: Apache-2.0
#include "program/popef_content.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/type.h"

namespace tessera {

std::vector<const Variable*> constants_of(const Program& program) {
  std::vector<const Variable*> constants;
  for (const Variable& variable : program.variables)
    if (variable.kind == VariableKind::Constant) constants.push_back(&variable);
  std::sort(constants.begin(), constants.end(),
            [](const Variable* a, const Variable* b) { return a->constant < b->constant; });
  return constants;
}

Status check_constant(const Variable& variable, std::span<const std::byte> bytes) {
  if (static_cast<int64_t>(bytes.size()) == variable.bytes()) return {};
  return Error{fmt::format("has {} bytes, must have the {} of {}{}", bytes.size(), variable.bytes(),
                           to_string(variable.dtype), to_string(variable.shape))};
}

}  // namespace tessera
