// SPDX-License-Identifier: Apache-2.0
// Ways to make an executable fit that does not: variants of its options, each really compiled.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "compiler/option_values.h"
#include "compiler/options.h"

namespace tessera {

struct WayOut {
  std::string change;                  // as flags: "--precision fp16"
  int64_t peak_bytes = 0, cycles = 0;  // of the fullest tile; per batch
  int64_t rows = 0;                    // of a batch; 0: the change leaves them
  bool fits = false;
  OptionValues values = {};  // all options with the change, as option_values has them
};

// Compiles fp16 for fp32, half and quarter of the batch, half the row length, and form B for form
// A, where the options have what to change. A variant that does not compile is left out. No variant
// is begun once `seconds` have passed. `progress` is told the change before each, and how many of
// how many are done.
using WayOutProgress = std::function<void(const std::string& change, int64_t done, int64_t all)>;
std::vector<WayOut> ways_out(const std::string& model_path, const CompileOptions& options,
                             double seconds, const WayOutProgress& progress = {});

// One line for each way.
std::string to_string(const std::vector<WayOut>& ways);

}  // namespace tessera
