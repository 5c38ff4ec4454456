// SPDX-License-Identifier: Apache-2.0
// Facts about the blobs of a .popef file that its writer and its reader share.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "program/program.h"
#include "support/expected.h"

namespace tessera {

inline constexpr std::string_view kMetadataName = "metadata";
inline constexpr std::string_view kReportName = "report";

// By constant: the variable that has it.
std::vector<const Variable*> constants_of(const Program& program);
// Whether these are as many bytes as the constant has.
Status check_constant(const Variable& variable, std::span<const std::byte> bytes);

}  // namespace tessera
