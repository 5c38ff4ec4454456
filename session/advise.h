// SPDX-License-Identifier: Apache-2.0
// Advice about the recompiles in a log, computed from the log: ways to serve the same batches with
// fewer executables, and slips, i.e. habits that caused compiles; each with its price.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "session/events.h"

namespace tessera {

// A way to serve what the log was asked for.
struct ServingOption {
  std::string name;  // "as in the log", "pad to one shape", "2 fitted buckets", "packing" …
  int64_t executables = 0;
  double compile_seconds = 0;       // of the log: measured; of the others: predicted
  double saved_seconds = 0;         // compile_seconds of the log minus this option's
  double useful_share = 0;          // share of the computed tokens that requests asked for
  std::vector<InputShapes> shapes;  // of its executables; empty for the log's own
  std::string command;
};

// A habit that caused compiles that were not needed, and what the log would be without it.
struct CompileSlip {
  AdviceRule rule = AdviceRule::ManyShapes;
  std::string text;
  int64_t compiles = 0;
  double seconds = 0;       // waiting that the remedy would have saved, less what it costs
  int64_t executables = 0;  // that are still needed with the remedy
  double useful_share = 0;  // as of a ServingOption, with the padding that the remedy adds
  std::string command;      // the remedy; "" where no command is one
};

struct Advice {
  std::string model;  // the log's name of it
  int64_t batches = 0, compiles = 0, lengths = 0;
  double compile_seconds = 0, blocked_seconds = 0;
  std::vector<ServingOption>
      options;               // the first is the log's own; empty if shapes are not batches
  int64_t recommended = -1;  // of `options`; -1: nothing is better than the log
  std::vector<CompileSlip> slips;
};

// One for each model of the log, by name. Compile seconds are predicted by a line fitted to the
// log's compiles, seconds against tokens of a batch, plus the extra time of a process's first
// compile. Every row of a batch counts as one request of the batch's length.
std::vector<Advice> advise(const std::vector<RecompileEvent>& events);

}  // namespace tessera
