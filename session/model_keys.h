// SPDX-License-Identifier: Apache-2.0
// The key of each set of input shapes that a session is asked for. The model is read when it is
// first needed, and again when its file has changed; every key is another one then.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "compiler/options.h"
#include "session/key.h"
#include "support/expected.h"

namespace tessera {

using KeyPointer = std::shared_ptr<const ExecutableKey>;

// Thread-safe, by a lock of its own, which is held while the model is read.
class ModelKeys {
 public:
  ModelKeys(std::string model_path, CompileOptions options)
      : model_path_(std::move(model_path)), options_(std::move(options)) {}

  Expected<KeyPointer> key_of(const InputShapes& asked);
  // Whether the file still holds the model that `key` was made of.
  bool is_current(const ExecutableKey& key) const;

 private:
  const std::string model_path_;
  const CompileOptions options_;
  mutable std::mutex mutex_;
  std::shared_ptr<const ModelIdentity> identity_;
  std::map<InputShapes, KeyPointer> keys_;
};

// `options` with these shapes of inputs, which come before those that it has.
CompileOptions with_shapes(CompileOptions options, const InputShapes& shapes);

}  // namespace tessera
