// SPDX-License-Identifier: Apache-2.0
// The compiler: a model file in, an executable out.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "compiler/options.h"
#include "program/popef.h"
#include "support/expected.h"

namespace tessera {

struct Phase {
  std::string name;  // "import", "passes", "lower" (which plans), "verify", "cost"
  double milliseconds = 0;
};

// A way to use several IPUs, as --parallel auto priced it.
struct ParallelChoice {
  std::string flags;                                  // that ask for it: "--replication_factor 2"
  double seconds_per_batch = 0, latency_seconds = 0;  // modelled
  int64_t peak_bytes = 0;                             // of the fullest tile
  bool fits = false, chosen = false;
  std::string why_not;  // where it cannot be compiled
};

struct CompileResult {
  Executable executable;
  std::vector<Phase> phases;
  std::vector<std::string> warnings;  // of the import and the passes
  double planned_proportion = 0;      // the share of a tile: as asked, or the one that --fit took
  // Set when a tile's memory does not hold the program: Poplar's sentence, what takes the room and
  // what would help. The executable and its report are complete all the same.
  std::optional<Error> out_of_memory;
  std::vector<ParallelChoice> choices;  // of --parallel auto
};

// Whether words can be an executable's label: UTF-8 without control characters, at most 1,000
// bytes. A Usage error says what they must be.
Status check_label(const std::string& label);

// Called as a phase begins ("lower"), and now and then in a long one ("lower, 12,000 of 200,000"),
// from the calling thread.
using CompileProgress = std::function<void(const std::string& phase)>;

// Thread-safe. Errors: as import, passes, lowering; Usage for options, Refused past a limit. A
// Program that does not fit is not an error: see out_of_memory.
Expected<CompileResult> compile(const std::string& model_path, const CompileOptions& options,
                                const CompileProgress& progress = {});

}  // namespace tessera
