// SPDX-License-Identifier: Apache-2.0
// A Session owns a model and its executables by input shape. A shape it has not seen is compiled,
// and every compile leaves one event: its cause, the difference to the nearest known shape, its
// price.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compiler/options.h"
#include "executor/model_runner.h"
#include "session/events.h"
#include "support/expected.h"

namespace tessera {

struct SessionOptions {
  CompileOptions compile;  // input_shape is what each run brings
  MachineOptions machine;
  std::string events_path;  // JSON lines are appended here; "": kept in memory only
};

// Thread-safe; a run that needs a compile holds up others of this session meanwhile.
class Session {
 public:
  static Expected<std::unique_ptr<Session>> open(const std::string& model_path,
                                                 SessionOptions options);
  ~Session();

  // The runner for inputs of these shapes, compiled if need be. What is wrong with the shapes or
  // the model comes back as the compiler's error, and leaves its event all the same.
  Expected<std::shared_ptr<ModelRunner>> runner(const InputShapes& input_shapes);
  // Every event so far, oldest first.
  std::vector<RecompileEvent> events() const;

 private:
  Session();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera
