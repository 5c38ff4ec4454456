// SPDX-License-Identifier: Apache-2.0
// Runs an executable on whole batches. Thread-safe: any thread may call run or run_async at any
// time; batches are carried out one after the other in the order of the calls.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <string>

#include "executor/host_arrays.h"
#include "executor/machine.h"
#include "program/popef.h"
#include "support/expected.h"

namespace tessera {

class ModelRunner {
 public:
  static Expected<std::unique_ptr<ModelRunner>> load(const std::string& popef_path,
                                                     const MachineOptions& options = {});
  static Expected<std::unique_ptr<ModelRunner>> load(const PopefFile& file,
                                                     const MachineOptions& options = {});
  static Expected<std::unique_ptr<ModelRunner>> create(std::shared_ptr<const Executable> executable,
                                                       const MachineOptions& options = {});
  ~ModelRunner();  // finishes what was submitted

  // Every input must be given and no other; outputs may be a subset. Errors name the anchor and
  // say what it is and must be: unknown or missing name, dtype, shape, size, an index past its
  // limit ("input_ids: value 30522 at [3,17], must be in 0..30521"). An index that the graph
  // computes is an error by its node, unless it is that of a cell which is not used.
  Status run(const InputViews& inputs, const OutputViews& outputs, UsedCells used = {});
  // The buffers must live until the future is ready.
  std::future<Status> run_async(InputViews inputs, OutputViews outputs, UsedCells used = {});
  // The same for callers that are told: `done` is called on the runner's thread, must be brief, and
  // what it throws is lost.
  // An error of the call itself comes back at once, and then `done` is never called.
  Status run_then(const InputViews& inputs, OutputViews outputs, std::function<void(Status)> done);

  const Executable& executable() const;
  // Whether answers are to be looked through for what half precision lost (host_arrays.h).
  bool computes_in_half() const;
  Machine& machine();

 private:
  ModelRunner();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera
