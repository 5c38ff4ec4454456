// SPDX-License-Identifier: Apache-2.0
// Recompile events: one JSON object a line (schema "recompile/1", docs/recompiles.md).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "support/expected.h"
#include "support/type.h"

namespace tessera {

using InputShapes = std::map<std::string, Shape>;

// One dimension that differs from the nearest known executable.
struct ShapeDifference {
  std::string input;
  int64_t axis = 0;
  std::string axis_name;          // "batch", "seq" where known by position, else ""
  int64_t before = 0, after = 0;  // -1 where there is no such axis or input
  bool operator==(const ShapeDifference&) const = default;
};

struct RecompileEvent {
  int64_t id = 0;  // 0, 1, … in its session
  int64_t ts_unix_ns = 0;
  std::string model;  // file name
  std::string model_sha256;
  std::string kind;   // cold_compile | recompile
  std::string cause;  // first_seen | input_shape | input_set
  InputShapes shapes;
  int64_t nearest = -1;  // id of the nearest known compile; -1: none
  std::vector<ShapeDifference> difference;
  std::vector<std::pair<std::string, double>> phase_ms;
  double wall_ms = 0;
  int64_t requests_blocked = 0;  // that waited for it to end, the one that caused it included
  std::string error;             // "" if it compiled
  bool operator==(const RecompileEvent&) const = default;
};

std::string to_json_line(const RecompileEvent& event);
Expected<RecompileEvent> parse_event(const std::string& line);  // errors name the field
// "recompile #3 model.onnx  27.4 s  cause=input_shape  input_ids axis 1 (seq) 171 -> 173 …"
std::string to_human_line(const RecompileEvent& event);
// Errors say the line number.
Expected<std::vector<RecompileEvent>> read_events(const std::string& path);

// Where `after` differs from `before`, by input and axis.
std::vector<ShapeDifference> compare_shapes(const InputShapes& before, const InputShapes& after);
// Which of the known shapes is nearest: the fewest differing dimensions, then the smallest total
// difference, then the earliest. -1 if none is known.
int64_t nearest_shapes(const std::vector<const InputShapes*>& known, const InputShapes& wanted);

}  // namespace tessera
