// SPDX-License-Identifier: Apache-2.0
// The content and the cost of an executable, as JSON: `tessera inspect --json`, and `inspect` in
// Python.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "cost/cost.h"
#include "program/popef.h"

namespace tessera {

// A node that stays in f32 in a program in f16, as the compile report has it.
struct KeptLine {
  std::string node, op, rule, why;
};
// Pure and thread-safe. None where the program is in f32, or has no report.
std::vector<KeptLine> kept_in_fp32(const Executable& executable);
nlohmann::ordered_json kept_in_fp32_json(const Executable& executable);

// Pure and thread-safe. `blobs` are those of the file that it was read from; none if it was not.
nlohmann::ordered_json inspection_json(const Executable& executable,
                                       std::span<const BlobInfo> blobs, const ProgramCost& cost,
                                       const MemoryReport& memory);

}  // namespace tessera
