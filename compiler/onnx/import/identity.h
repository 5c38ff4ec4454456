// SPDX-License-Identifier: Apache-2.0
// The identity of a model file, in digests: one of what it computes and one of what it computes
// with, so that someone who keeps executables can say which of the two changed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/expected.h"
#include "support/limits.h"
#include "support/type.h"

namespace tessera {

// An input as the compiler will see it.
struct InputSignature {
  std::string name;
  std::string dtype;  // as the model declares it: "int64", "float32"
  Shape shape;
  bool operator==(const InputSignature&) const = default;
};

// Immutable and thread-safe; holds no weights.
class ModelIdentity {
 public:
  // Reads the whole model, its external data included. Errors are those of import_onnx.
  static Expected<std::shared_ptr<const ModelIdentity>> of(const std::string& path,
                                                           const Limits& limits = {});
  ~ModelIdentity();

  // SHA-256 of nodes, attributes, outputs, and names and types of the weights; not of the inputs,
  // which signature() gives, nor of weights' values.
  const std::string& graph() const;
  const std::string& weights() const;  // SHA-256 of the values
  // Every input with all its dimensions, by name, as import_onnx would fix them; its errors.
  Expected<std::vector<InputSignature>> signature(const std::map<std::string, Shape>& given) const;
  // Whether the files are still those that were read, by size, times and number on disk.
  bool is_current() const;

 private:
  ModelIdentity();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera
