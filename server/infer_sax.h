// SPDX-License-Identifier: Apache-2.0
// Reads a body's JSON, event by event, into plain structures.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/infer_json.h"

namespace tessera::server {

// Numbers of a tensor as JSON spells them. Nested lists are flattened, and how long those of each
// depth are is kept.
struct JsonData {
  bool is_given = false;
  std::vector<int64_t> whole;
  std::vector<double> real;  // all of them, from the first that is not whole on
  bool is_real = false, has_texts = false, has_nothing = false;
  std::vector<int64_t> lengths;  // by depth; -1: not all are of one length
};

using JsonScalar = std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string>;
using JsonParameters = std::vector<std::pair<std::string, JsonScalar>>;
const JsonScalar* find_parameter(const JsonParameters& parameters, std::string_view name);

struct JsonTensor {
  std::string name, datatype;
  std::optional<std::vector<int64_t>> shape;
  JsonData data;
  JsonParameters parameters;
};

struct JsonCall {
  std::string id;
  JsonParameters parameters;
  std::vector<JsonTensor> inputs, outputs;
  bool has_inputs = false;
};

// The body's JSON. Errors of type malformed and too_large.
Expected<JsonCall> read_json_call(std::string_view text, const JsonLimits& limits);

}  // namespace tessera::server
