// SPDX-License-Identifier: Apache-2.0
// A model of floats becomes one of bytes, and is measured beside it: how far its outputs are, how
// far each matmul, and which matmuls cost the most and had better stay as they are.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "check/check.h"
#include "check/samples.h"
#include "compiler/onnx/quantize/quantize_model.h"
#include "compiler/options.h"
#include "executor/machine.h"
#include "support/expected.h"

namespace tessera {

struct QuantizationOptions {
  QuantizedBy by = QuantizedBy::Token;
  InputShapes input_shape;      // of the batches that are run; see shapes_for
  std::vector<Sample> samples;  // that give the ends of QuantizedBy::Ends, and are measured
  int64_t random_requests = 8;  // in their place where there are none
  uint64_t seed = 1;
  std::set<std::string> skip;  // matmuls that stay as they are: nodes, or what they make
  // At most one of the two. Matmuls are then quantized one by one, and those with the largest error
  // of the outputs stay as they are: this number of them, or as many as the error asks for.
  int64_t skip_most_sensitive = 0;
  std::optional<double> max_error;  // of the worst output (MeasuredError::relative)
  MachineOptions machine;
  Limits limits;
};

// "token", "tensor" or "static".
Expected<QuantizedBy> parse_quantized_by(const std::string& word);
std::string_view to_string(QuantizedBy by);

// One value, over all elements that belong to a sample, against the model of floats.
struct MeasuredError {
  double relative = 0;  // length of the difference over the length of what is right
  double largest = 0, magnitude = 0;
  double cosine = 1;  // of the angle between the two
};
struct QuantizedOutput {
  std::string name;
  MeasuredError error;
};
struct QuantizedMatmul {
  WeightedMatmul is;
  bool quantized = false;
  std::string why_not;          // "asked for" or "sensitive"
  MeasuredError error;          // of what it makes, in the model of bytes
  std::optional<double> alone;  // the worst output's relative error where it alone has bytes
};

struct QuantizationReport {
  std::string model, output;
  QuantizedBy by = QuantizedBy::Token;
  std::string samples;  // "8 requests drawn at random, in batches of 4x32"
  std::vector<QuantizedOutput> outputs;
  std::vector<QuantizedMatmul> matmuls;  // in the order of the model
  std::vector<std::string> warnings;

  int64_t quantized() const;
  double worst() const;  // relative error of an output
  // The bytes of the matmuls that are quantized, as floats and as bytes with their scales.
  int64_t float_bytes() const, int8_bytes() const;
};

// Writes the model of bytes once it is measured, whole or not at all. Errors: options that do not
// go together, samples that do not fit, a model without a matmul by a weight, a `max_error` that
// cannot be kept; and what compile and the machine say.
Expected<QuantizationReport> quantize_and_measure(const std::string& model_path,
                                                  const std::string& output_path,
                                                  const QuantizationOptions& options,
                                                  const CheckProgress& progress = {});

nlohmann::ordered_json quantization_json(const QuantizationReport& report);

}  // namespace tessera
