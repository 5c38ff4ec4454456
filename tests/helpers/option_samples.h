// SPDX-License-Identifier: Apache-2.0
// For every row of compiler/options.def a value that is not its default.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "compiler/option_rows.h"
#include "compiler/option_text.h"
#include "compiler/options.h"

namespace tessera {

inline void PrintTo(const OptionRow& row, std::ostream* out) { *out << row.name; }

// The words of such a value. Options of numbers and truths need nothing here.
inline OptionWords sample_of(const OptionRow& row) {
  switch (row.kind) {
    case OptionKind::Truth: return {row.usual == "true" ? "false" : "true"};
    case OptionKind::Whole: return {std::to_string(std::stoll(row.usual) + 1)};
    case OptionKind::Real: return {std::to_string(std::stod(row.usual) / 2)};
    case OptionKind::Shapes: return {"input_ids=4,16"};
    case OptionKind::Fields: return {"max_valid_num=12", "segment_max_size=16"};
    case OptionKind::Target: return {"test,sync_cycles=140"};
    case OptionKind::Word:
    case OptionKind::Names: break;
  }
  if (row.name == "precision") return {"fp16"};
  if (row.name == "partials_type") return {"float"};
  if (row.name == "fp16_skip_op_types") return {"Softmax", "Gelu"};
  if (row.name == "fp16_skip_nodes") return {"Softmax_3", "/encoder/Gelu"};
  if (row.name == "fp8_params") return {"F152,F143,2,-3"};
  if (row.name == "fp8_op_params") return {"MatMul_3=F152:F143:2:-3"};
  if (row.name == "fp8_skip_op_names") return {"MatMul_3"};
  if (row.name == "passes") return {"insert_attention_mask"};
  if (row.name == "skip_passes") return {"fuse_gelu"};
  if (row.name == "dump_passes") return {"dumps"};
  if (row.name == "sharding" || row.name == "parallel") return {"auto"};
  if (row.name == "parallel_goal") return {"latency"};
  if (row.name == "manual_sharding_config") return {"MatMul_3=0:0", "/encoder/Gelu=1:1"};
  ADD_FAILURE() << row.name << " is an option of words and has no sample";
  return {};
}

// Options that are the defaults but for this one.
inline CompileOptions only(const OptionRow& row) {
  CompileOptions options;
  const Status read = row.parse(sample_of(row), options);
  EXPECT_TRUE(read.ok()) << read.error().message;
  return options;
}

// The same, and the precision without which it says nothing.
inline CompileOptions sound(const OptionRow& row) {
  CompileOptions options = only(row);
  if (row.name.starts_with("fp8_")) options.precision = Precision::Fp8;
  return options;
}

}  // namespace tessera
