// SPDX-License-Identifier: Apache-2.0
// What a user asks of the compiler. Names follow PopRT's command line.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "program/program.h"
#include "support/expected.h"
#include "support/limits.h"
#include "support/type.h"

namespace tessera {

enum class Precision : uint8_t { Fp32, Fp16 };
enum class PartialsType : uint8_t { Half, Float };

// Form A of packing: requests end to end, unpacked around attention.
struct PackArgs {
  int64_t max_valid_num = 0;
  int64_t segment_max_size = 0;
};

struct CompileOptions {
  std::map<std::string, Shape> input_shape;  // fixes variable dimensions
  Precision precision = Precision::Fp32;
  std::vector<std::string> fp16_skip_op_types;      // stay in fp32: names for op_of_type
  PartialsType partials_type = PartialsType::Half;  // of fp16 matmuls; PopRT's default
  double available_memory_proportion = 0.6;         // of a tile, for a matmul's temporaries
  // Weights and partials in interleaved memory, which the matrix unit and a sum of partials load
  // twice as fast (poplibs' use128BitConvUnitLoad and enableFastReduce).
  bool use_128bit_conv_unit_load = false;
  bool enable_fast_reduce = false;
  std::optional<PackArgs> pack_args;
  std::vector<std::string> passes;       // optional passes to add (insert_attention_mask)
  std::vector<std::string> skip_passes;  // passes to leave out
  HostIo host;                           // its io_tiles are taken from the target's
  Target target;
  std::string dump_dir;  // a numbered .ir file after each pass that changed something; "": none
  Limits limits;         // of the import and of the compile
};


// Usage errors name the option, what it is and what it must be.
Status check_options(const CompileOptions& options);
// Canonical text: equal options give equal text. dump_dir and limits are not part of it.
std::string to_string(const CompileOptions& options);

}  // namespace tessera
