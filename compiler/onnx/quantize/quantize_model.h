// SPDX-License-Identifier: Apache-2.0
// A model of floats becomes one whose matmuls by weights multiply bytes: in the nodes of standard
// ONNX, so that other programs run it too.
//
// Weights are i8, with a scale for each column and no zero point. Tokens are quantized while the
// model runs, each by its own largest number or all by the ends of their tensor, or by ends that a
// calibration found.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "support/expected.h"
#include "support/interval.h"
#include "support/limits.h"

namespace tessera {

enum class QuantizedBy : uint8_t {
  Token,   // each row of a value by its own largest number, while the model runs
  Tensor,  // each value by its own ends, as ONNX Runtime's quantize_dynamic
  Ends,    // each value by ends that are given (QDQ)
};

struct QuantizeOptions {
  QuantizedBy by = QuantizedBy::Token;
  std::set<std::string> skip;  // nodes that stay as they are, or the names of what they make
  NamedIntervals ends;         // by value, of QuantizedBy::Ends
};

// A matmul of the model by a weight.
struct WeightedMatmul {
  std::string node;    // its name, or that of what it makes
  std::string input;   // the value that is multiplied
  std::string output;  // what it makes, without a bias
  int64_t terms = 0, columns = 0;
};

// The matmuls that would be quantized, in the model's order: MatMul and Gemm by an initializer of
// float32.
Expected<std::vector<WeightedMatmul>> find_weighted_matmuls(const std::string& path,
                                                            const Limits& limits = {});

// Names of the model's outputs, in its order.
Expected<std::vector<std::string>> model_outputs(const std::string& path,
                                                 const Limits& limits = {});

// Writes the model with further values as outputs, external data taken in.
Status watch_values(const std::string& path, const std::string& output_path,
                    const std::set<std::string>& values, const Limits& limits = {});

// Writes the quantized model, whole or not at all. Errors: none of the nodes can be quantized; a
// name of `skip` that no such node has; ends that are missing.
Expected<std::vector<WeightedMatmul>> quantize_model(const std::string& path,
                                                     const std::string& output_path,
                                                     const QuantizeOptions& options,
                                                     const Limits& limits = {});

}  // namespace tessera
