// SPDX-License-Identifier: Apache-2.0
// What an executable holds and what it takes, as JSON: `tessera inspect --json`, and `inspect` in
// Python.
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "cost/cost.h"
#include "program/popef.h"

namespace tessera {

// `blobs` are those of the file that it was read from; none if it was not.
nlohmann::ordered_json inspection_json(const Executable& executable,
                                       std::span<const BlobInfo> blobs, const ProgramCost& cost,
                                       const MemoryReport& memory);

}  // namespace tessera
