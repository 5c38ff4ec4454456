// SPDX-License-Identifier: Apache-2.0
// What to do about the recompiles in a log, computed from the log: ways to serve the same batches
// with fewer executables, and slips that made some of them, each with its price.
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
  double saved_seconds = 0;         // compile_seconds of the log less its own
  double useful_share = 0;          // tokens that were asked for, of those that are computed
  std::vector<InputShapes> shapes;  // of its executables; empty for the log's own
  std::string command;
};

// Something that made compiles and need not have; and what the log is once it has ended.
struct CompileSlip {
  std::string rule;  // dtype | option | baked_constant | cache_too_small | no_cache | cache_failed
                     // | partial_batch
  std::string text;
  int64_t compiles = 0;
  double seconds = 0;       // that requests would have waited less, what the remedy takes deducted
  int64_t executables = 0;  // that are left
  double useful_share = 0;  // as of a ServingOption, padding that the remedy adds included
  std::string command;      // the remedy; "" where it is none
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

// One for each model of the log, by name. Compile seconds are predicted by a line through those of
// the log against the tokens of a batch, and what the first compile of a process takes on top.
// A batch of the log is taken for full: every row one request of the batch's length.
std::vector<Advice> advise(const std::vector<RecompileEvent>& events);

}  // namespace tessera
