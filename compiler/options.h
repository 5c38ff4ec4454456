// SPDX-License-Identifier: Apache-2.0
// The options that a user gives the compiler. Names follow PopRT's command line; the rows are in
// options.def, which says of each what it is for and what values it takes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "program/target.h"
#include "support/expected.h"
#include "support/limits.h"
#include "support/type.h"

namespace tessera {

using InputShapes = std::map<std::string, Shape>;
using Names = std::vector<std::string>;
enum class Precision : uint8_t { Fp32, Fp16, Fp8, Fp8Weight };
enum class PartialsType : uint8_t { Half, Float };
enum class Sharding : uint8_t { None, Auto, Tensor };
enum class Parallel : uint8_t { None, Auto };
enum class ParallelGoal : uint8_t { Throughput, Latency };

// By the name of an ONNX node or of a value.
using Fp8ByName = std::map<std::string, Fp8Params>;

// The IPU and stage of a node of the ONNX model, and of all nodes that it needs and no earlier
// entry took.
struct ShardEntry {
  std::string node;
  int64_t device = 0;
  int64_t stage = 0;
  bool operator==(const ShardEntry&) const = default;
};
struct ManualSharding {
  std::vector<ShardEntry> entries;
  bool operator==(const ManualSharding&) const = default;
};

// Packing form A; with the pass insert_attention_mask, form B.
struct PackArgs {
  int64_t max_valid_num = 0;     // requests in a batch
  int64_t segment_max_size = 0;  // form A: tokens in a request; form B: 0, a row takes as many
  bool operator==(const PackArgs&) const = default;
};

struct CompileOptions {
#define OPTION(type, name, usual, ...) type name = usual;
#include "compiler/options.def"
#undef OPTION
  Limits limits;  // of the import and of the compile
};

// IPUs of all replicas together, and those that one replica runs on.
int64_t all_ipus(const CompileOptions& options);
int64_t ipus_of_replica(const CompileOptions& options);
// Whether the model is cut into parts for several IPUs.
bool is_cut(const CompileOptions& options);
// Whether requests share rows by attention mask (docs/packing.md).
bool is_form_b(const CompileOptions& options);

// Usage errors name the option, what it is and what it must be.
Status check_options(const CompileOptions& options);
// Fails if the target has several IPUs and no option uses them.
Status check_use_of_ipus(const CompileOptions& options);
// The canonical text, a line for each option (docs/popef.md). Equal options have equal text;
// options of which nothing that is made depends (dump_passes, limits) are not in it.
std::string to_string(const CompileOptions& options);

}  // namespace tessera
