// SPDX-License-Identifier: Apache-2.0
// A cache entry of a few kilobytes.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "compiler/option_values.h"
#include "program/text.h"
#include "session/key.h"
#include "session/key_record.h"
#include "tests/helpers/small_program.h"

namespace tessera {

inline Executable small_executable() {
  Executable executable;
  executable.program = parse_program(kPricedProgram).take();
  auto weights = std::make_shared<std::vector<std::byte>>(128);
  executable.constants = {
      {weights, *weights}
  };
  Metadata& metadata = executable.metadata;
  metadata.compiler_version = "0.1.0";
  metadata.model_name = "small";
  metadata.anchors = {
      {"x", AnchorKind::Input,  DType::F16, {8, 64}, "float16", 0},
      {"z", AnchorKind::Output, DType::F16, {64, 8}, "float16", 0}
  };
  return executable;
}

inline KeyRecord small_record(int64_t rows = 8) {
  KeyRecord record;
  record.key.graph = "graph";
  record.key.weights = "weights";
  record.key.inputs = {
      {"x", "float16", {rows, 64}}
  };
  record.key.options = parse_option_values("precision fp16\n");
  set_digests(record.key);
  record.model = "small.onnx";
  record.compile_ms = 1500;
  return record;
}

}  // namespace tessera
