// SPDX-License-Identifier: Apache-2.0
// Loading and unloading models while a server runs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "support/expected.h"

namespace tessera::server {

// Thread-safe.
class ModelControl {
 public:
  struct Entry {
    std::string name, version, state, reason;  // state: READY, LOADING, UNAVAILABLE
  };
  using Done = std::function<void(Status)>;

  virtual ~ModelControl() = default;
  // `done` is called once, on another thread, when the model is served, or why it is not.
  virtual void load(const std::string& name, Done done) = 0;
  virtual void unload(const std::string& name, Done done) = 0;
  virtual std::vector<Entry> index() const = 0;
};

class ModelHub;
// Lists the models of the control, or, without one, those that are served.
std::vector<ModelControl::Entry> repository_index(const ModelHub& hub, const ModelControl* control);
Error no_control();  // the refusal of a server without one

}  // namespace tessera::server
