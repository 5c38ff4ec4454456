// SPDX-License-Identifier: Apache-2.0
// The first questions of a user: whether a model compiles, what its inputs mean, how its requests
// may be padded and packed, and how far every answer is from a reference that is not the compiler.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/options.h"
#include "executor/machine.h"
#include "program/packing_contract.h"
#include "serving/request.h"
#include "support/expected.h"

namespace tessera {

inline constexpr double kLeastMagnitude = 0.01;

enum class ReferenceKind : uint8_t {
  Interpreter,  // ours, of the model before any pass: every op in float64, rounded once
  OnnxRuntime,  // without graph optimisations, by `python` (which needs numpy and onnxruntime)
};

struct CheckOptions {
  // Without input_shape, variable dimensions are 2 in front and 16 behind. pack_args are form A's;
  // without them a batch takes four requests a row.
  CompileOptions compile;
  MachineOptions machine;
  ReferenceKind reference = ReferenceKind::Interpreter;
  std::string python = "python3";
  std::vector<std::pair<std::string, Request>> requests;  // the user's own, by name
  int64_t random_requests = 6;                            // of different lengths, beside them
  uint64_t seed = 1;
  // The largest error allowed, as a share of the largest magnitude of the output, or of
  // kLeastMagnitude where that is smaller. Usual: 1e-4 in fp32, 2e-2 in fp16, 0.2 in
  // fp8.
  std::optional<double> tolerance;
  bool by_layer = false;
};

struct InputMeaning {
  std::string name, type;
  std::string meaning;  // "ids", "mask", "positions", "token input" or "not by token"
  std::string how;      // it was found
};

struct FormVerdict {
  PackingForm form = PackingForm::None;
  bool possible = false;
  std::string why_not;                             // "" where possible in full
  RequestSize request_size = RequestSize::Tokens;  // padded: what a request fills
};

// "padded", "A" or "B"; "batch" for none.
std::string_view word_of_form(std::optional<PackingForm> form);

// One output, over the requests or batches of a form.
struct OutputError {
  std::optional<PackingForm> form;  // none: whole batches
  std::string output;
  int64_t answers = 0;  // that were compared
  double largest = 0, mean = 0;
  double magnitude = 0;  // the reference's largest
  std::string worst;     // the request with the largest error
  bool within = true;
};

// A value of the model that the compiled graph still has, in the model's order.
struct LayerError {
  std::string node;
  double largest = 0, magnitude = 0;
  double share() const {
    return largest / (magnitude > kLeastMagnitude ? magnitude : kLeastMagnitude);
  }
};

struct CheckReport {
  std::string model;
  std::vector<std::string> unsupported;  // "node 'NAME' (OP): …", all of them
  int64_t nodes = 0;
  std::vector<InputMeaning> inputs;
  std::vector<FormVerdict> forms;
  std::vector<std::string> kept_in_fp32;  // "node NAME (op): why", where fp16 is asked for
  std::string reference;
  double tolerance = 0;
  std::vector<OutputError> outputs;
  std::vector<std::string> not_compared;  // a line a form: requests that it refuses, and why
  std::vector<LayerError> layers;         // by_layer
  // Index in `layers` of the first whose error grows past half the tolerance; -1 if none does.
  int64_t first_bad_layer = -1;

  // Everything is supported, and every output that was compared is within the tolerance.
  bool all_well() const;
};

// Called with what is being done.
using CheckProgress = std::function<void(const std::string& what)>;

// Errors: a file that cannot be read, shapes that are not fixed, a request that is wrong, a
// reference that cannot be had. The report has what is wrong with the model itself.
Expected<CheckReport> check_model(const std::string& model_path, const CheckOptions& options,
                                  const CheckProgress& progress = {});

// The report as JSON, by the fields' names.
nlohmann::ordered_json check_json(const CheckReport& report);

}  // namespace tessera
