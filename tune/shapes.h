// SPDX-License-Identifier: Apache-2.0
// Shapes of a model, priced by compiling it or read from executables, and what each makes of a mix
// of lengths: what `tessera pack tune` tells. Times are modelled.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compiler/options.h"
#include "program/packing_contract.h"
#include "serving/tune.h"
#include "support/expected.h"
#include "support/limits.h"
#include "support/minisign.h"

namespace tessera {

struct ShapeSearch {
  std::vector<int64_t> rows = {8, 16, 32};  // of a batch
  // Tokens of a row; none: the longest request, rounded up to 8, and twice that.
  std::vector<int64_t> row_lengths;
  std::string ids = "input_ids";  // the input whose shape is fixed
  TuneOptions tune;               // with a rate: the best answers soonest; 0: it answers most
  double p99_limit = 0;           // seconds that 99 % of the answers may take at most; 0: no limit
};
// Usage errors name the option: "rate: -1, must be …".
Status check_shape_search(const ShapeSearch& search);

// A shape that was compiled, or could not be.
struct TriedShape {
  std::string file;  // the executable that was read; "" where it was compiled here
  CompileOptions options;
  std::string command;           // that compiles it
  PackingContract contract;      // what was asked for; once compiled, what it is
  double seconds_per_batch = 0;  // modelled
  std::string failure;           // why there is no cost, "" if there is
  TunedShape tuned;              // of tune_shapes
};

// Told before each shape: what is compiled, how many are done, of how many.
using ShapeProgress = std::function<void(const std::string& what, int64_t done, int64_t all)>;

// The model at each shape of the search: padded at the shortest row length, both packed forms at
// every one. `lengths` are those of requests, at least one. A shape that cannot be compiled is kept
// with its failure. Usage errors: `base` packs already, a row length that is too short.
Expected<std::vector<TriedShape>> compile_shapes(const std::string& model,
                                                 const CompileOptions& base,
                                                 const ShapeSearch& search,
                                                 std::span<const int64_t> lengths,
                                                 const ShapeProgress& progress = {});
// The shapes of executables, at the cycles that they hold.
Expected<std::vector<TriedShape>> shapes_of(std::span<const std::string> executables,
                                            const std::optional<PublicKey>& key,
                                            const Limits& limits);

// Fills in `tuned`, or `failure` where the longest request does not fit.
Status tune_shapes(std::span<TriedShape> shapes, std::span<const int64_t> lengths,
                   const ShapeSearch& search);
// At a given rate the shape with the shortest wait among those that keep up, otherwise that which
// answers the most requests; null if none fits, keeps up and answers in time.
const TriedShape* best_shape(std::span<const TriedShape> shapes, const ShapeSearch& search);

// As `tessera pack tune --json` prints it (docs/schemas/pack_tune.json). `lengths` and `costs` say
// where these come from.
nlohmann::ordered_json tuning_json(std::span<const TriedShape> shapes, const TriedShape* best,
                                   const std::string& lengths, const std::string& costs);

}  // namespace tessera
