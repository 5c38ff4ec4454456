// SPDX-License-Identifier: Apache-2.0
// A folder of models: NAME/VERSION/model.popef or model.onnx, and beside the versions, where a
// model has options of its own, NAME/config.json. The highest version of each name is served. A
// model that is new or has changed is taken up while the server runs; one that cannot be loaded
// leaves the old version where it is.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "server/load_model.h"
#include "server/model_control.h"
#include "server/model_hub.h"
#include "support/expected.h"

namespace tessera::server {

struct ModelFolderOptions {
  std::string path;
  std::chrono::milliseconds poll{0};  // how often it is looked at again; 0: never
  // Hears of each model that was loaded (READY) or could not be (UNAVAILABLE, with the reason), on
  // the thread that tried, one call at a time; may be empty.
  std::function<void(const ModelControl::Entry&)> on_load = nullptr;
};

// The options of NAME/config.json over `usual`: names of runner options, with seconds, numbers,
// words or truths, and "warm_up", a list of shapes as the flag of that name takes them. "{}"
// changes nothing. Errors begin with `where`.
Expected<LoadOptions> model_options(const std::string& text, const std::string& where,
                                    const LoadOptions& usual);

class ModelFolder final : public ModelControl {
 public:
  // Loads what is there. Errors: no such folder. A model that cannot be loaded is told by
  // on_load and index().
  static Expected<std::shared_ptr<ModelFolder>> open(const ModelFolderOptions& options,
                                                     const LoadOptions& load,
                                                     std::shared_ptr<ModelHub> hub);
  ~ModelFolder() override;  // stop()

  // `name` is one of the folder. A model that was unloaded stays so until it is loaded.
  void load(const std::string& name, Done done) override;
  void unload(const std::string& name, Done done) override;
  std::vector<Entry> index() const override;  // of the hub's other models too
  void stop();                                // after this nothing is loaded

 private:
  // A model's version, its file, and a stamp that changes with the file: then it is another model.
  struct Found {
    std::string version, path, stamp;
  };
  struct State {
    Found tried;  // last
    std::string reason;
    bool is_loading = false, is_unloaded = false;
  };
  struct Job {
    std::string name;
    bool loads = false;
    Done done;
  };
  ModelFolder() = default;
  void work();
  void do_job(const Job& job);
  Status scan();
  Expected<Found> newest(const std::string& name) const;
  Status take(const std::string& name, const Found& found);
  void post(Job job);

  ModelFolderOptions options_;
  LoadOptions load_;
  std::shared_ptr<ModelHub> hub_;
  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::map<std::string, State> states_;
  std::deque<Job> jobs_;
  bool ends_ = false;
  std::mutex joining_;
  std::thread thread_;
};

}  // namespace tessera::server
