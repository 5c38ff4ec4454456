// SPDX-License-Identifier: Apache-2.0
// The models of a server by name: what both protocols ask. A name has one version at a time;
// another one takes over without a lost call: new calls go to it, and the old one answers what it
// took.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/served_model.h"
#include "server/worker.h"
#include "support/expected.h"

namespace tessera::server {

// Thread-safe.
class ModelHub {
 public:
  static Expected<std::unique_ptr<ModelHub>> create();
  ~ModelHub();  // close()

  void add(std::shared_ptr<ServedModel> model);  // in place of one of its name
  bool remove(const std::string& name);          // false: there is none

  // Version "": whichever is served. Error of type kUnknownModel.
  Expected<std::shared_ptr<ServedModel>> find(const std::string& name,
                                              const std::string& version) const;
  std::vector<std::shared_ptr<ServedModel>> all() const;  // by name
  // As ServedModel::infer, of the model that the call names.
  Expected<std::shared_ptr<RunningCall>> infer(const InferCall& call, const InferDone& done);

  // Whether calls are welcome: not before all models are there, and not once the server ends.
  bool is_ready() const { return is_ready_; }
  void set_ready(bool ready) { is_ready_ = ready; }
  void close();  // gives all calls that were taken their results

 private:
  ModelHub() = default;
  void retire(std::shared_ptr<ServedModel> model);

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<ServedModel>> models_;
  std::atomic<bool> is_ready_{false};
  std::unique_ptr<Worker> retiring_;  // closes the old ones
};

}  // namespace tessera::server
