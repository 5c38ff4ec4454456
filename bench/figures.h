// SPDX-License-Identifier: Apache-2.0
// Throughput that was measured on a C600 and published, with the configuration of each: what the
// model of the machine is held against. Sources of the rows: docs/validation.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "compiler/onnx/make/make_model.h"
#include "compiler/options.h"
#include "packing/pack.h"
#include "packing/workload.h"

namespace tessera::figures {

// The requests of a packed row. Without packing every row of a batch is one request.
struct Requests {
  WorkloadOptions lengths;
  PackRule rule;              // how form B fills rows
  int64_t most_in_batch = 0;  // form B; 0: no limit
  double per_row = 0;         // as published, where that is known; 0: `lengths` are packed
};

// The choices of the model that were made while the modelled throughput of a row was looked at:
// such a row says little of how well the model predicts. docs/validation.md has the choices.
enum class Chosen {
  Nothing,
  Knobs,          // the five numbers that are judgements
  Transposition,  // which of the sourced costs of transposing scores is charged
  Power,          // what a cube takes that PopRT leaves a power
  Erf,            // what erf_v2 takes
};

// The published word on memory: none beside a throughput, or how a compile ended.
enum class Ended { Unknown, Ran, OutOfMemory };

struct Figure {
  std::string row;   // the table's number and, where it has several, which
  std::string what;  // model, sequence, batch, precision
  MakeModelOptions model;
  CompileOptions options;  // input_shape included
  Requests requests = {};
  double published = 0;  // samples per second
  Chosen in_view_for = Chosen::Nothing;
  Ended ended = Ended::Ran;
  std::string against = "";  // the row of the same model without packing
  std::string note = "";     // what of the published configuration is not known or not modelled
};

std::vector<Figure> published_figures();

}  // namespace tessera::figures
