// SPDX-License-Identifier: Apache-2.0
// The passes, in their order, as a table (passes.def); and the runner that cleans up, verifies,
// times and dumps after each. A pass is a plain function that returns whether it changed the graph.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "support/expected.h"
#include "support/fp8.h"
#include "support/interval.h"
#include "support/limits.h"
#include "support/packing_form.h"

namespace tessera {

// Why a node stays in f32 where f16 is asked for.
enum class Fp32Rule : uint8_t {
#define RULE(id, ...) id,
#include "passes/fp32_rules.def"
#undef RULE
};
struct KeptInFp32 {
  std::string node;  // of ONNX, or the value's name where it has none
  std::string op;
  Fp32Rule rule;
  std::string why;  // of this node
};

// The options of passes, beyond the graph: plain values, so that passes know no compiler options.
struct PassOptions {
  bool fp16 = false;
  bool widens_halves = false;        // f16 is read as f32; for fp16 and both forms of packing it is
  std::set<Op> fp32_ops;             // stay in f32 where fp16 is asked for
  std::set<std::string> fp32_nodes;  // as well: names of ONNX nodes or of values
  bool fp8 = false;                  // matmuls by weights are in fp8, where they would be in f16
  bool fp8_weights_alone = false;    // as they are stored; they are multiplied in f16
  Fp8Params fp8_params;
  std::map<std::string, Fp8Params> fp8_by_name;  // of single matmuls, named as in fp8_skip
  std::set<std::string> fp8_skip;                // stay in f16: names of ONNX nodes or of values
  NamedIntervals declared;                       // of inputs whose type in the model is smaller
  PackingForm packing = PackingForm::None;
  bool position_ids = false;     // make positions an input; both forms of packing do
  bool whole_mask = false;       // make the mask an input of i32; both forms of packing do
  bool folds_all = false;        // constants too that are larger than what they are made of
  int64_t max_valid_num = 0;     // requests in a batch; form B: 0 for as many as its heads take
  int64_t segment_max_size = 0;  // form A: tokens in a request
};

// The meanings of inputs and outputs (names of anchors).
struct PackedAnchors {
  std::vector<std::string> token_inputs;  // i32 [rows,row_length], ids too; not mask, positions
  std::string mask_input, position_input, unpack_info_input, ids_input;
  std::set<std::string> per_request_outputs;  // with one row per request
  int64_t rows = 0, row_length = 0;
  int64_t max_valid_num = 0;       // requests in a batch; 0: no limit of its own
  int64_t padding_id = -1;         // that positions were counted without; -1: all ids count
  bool padding_is_hidden = false;  // that id is hidden from attention too
  bool mask_counts = false;        // positions were counted by the mask
  bool mask_hides = false;         // the model's mask is 1 where it hides
};

struct PassState {
  PassOptions options;
  PackedAnchors packing;         // filled in by the passes that pack
  std::vector<KeptInFp32> kept;  // by lower_precision
  std::vector<std::string> warnings;
  Limits limits;
  const Deadline* deadline = nullptr;  // null: none
  int64_t made_bytes = 0;              // of constants, by all passes so far
  int64_t row_bytes = 0;               // of those that norms lack (normalized.h)
};

// Counts bytes of constants that a pass is about to make; a Refused error where they are more than
// the memory limit has.
Status make_bytes(PassState& state, int64_t bytes);

// When a pass runs: always, or, of an optional pass, where this is asked for by option or by name.
struct RunsWhere {
  bool PassOptions::* option = nullptr;
  PackingForm form = PackingForm::None;

  bool is_optional() const { return option != nullptr || form != PackingForm::None; }
  bool holds(const PassOptions& options) const {
    return (option == nullptr || options.*option) &&
           (form == PackingForm::None || options.packing == form);
  }
};

struct Pass {
  const char* name;
  const char* what;  // one line, for --list_passes
  Expected<bool> (*run)(Graph&, PassState&);
  RunsWhere runs;
};
std::span<const Pass> all_passes();

struct PassTiming {
  std::string name;
  double milliseconds = 0;
  bool changed = false;
};

// Runs the table in order. `add` names optional passes, `skip` any; an unknown name is a Usage
// error with the nearest known one. Verifies and removes dead nodes after each pass that changed
// the graph, and writes it to `dump_dir` as NN_name.ir where that is not empty.
Expected<std::vector<PassTiming>> run_passes(Graph& graph, PassState& state,
                                             const std::set<std::string>& add,
                                             const std::set<std::string>& skip,
                                             const std::string& dump_dir);

}  // namespace tessera
