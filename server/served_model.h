// SPDX-License-Identifier: Apache-2.0
// A model that answers calls: one version of one name, behind a PackRunner (packed_model.h) or a
// Session (session_model.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/call.h"
#include "server/rows.h"
#include "server/statistics.h"
#include "serving/metrics.h"
#include "session/session.h"
#include "support/expected.h"

namespace tessera::server {

struct ModelFacts {
  std::string name, version;
  std::string platform;  // "tessera_popef", "tessera_onnx"
  std::vector<TensorFacts> inputs, outputs;
};

class ServedModel {
 public:
  virtual ~ServedModel() = default;
  virtual const ModelFacts& facts() const = 0;
  // Takes a call, or refuses it at once; `done` is called for one that was taken. The call's bytes
  // are not looked at after this has returned.
  virtual Expected<std::shared_ptr<RunningCall>> infer(const InferCall& call, InferDone done) = 0;
  // How long a caller should wait before it tries again, at least.
  virtual std::chrono::seconds retry_after() const = 0;
  virtual ModelStatistics statistics() const = 0;
  virtual std::optional<OnlineMetrics> packing() const { return {}; }  // of a model that packs
  virtual std::optional<SessionCounts> session() const { return {}; }  // of one with a session
  virtual int64_t pending() const = 0;                                 // rows or calls that wait
  virtual std::chrono::duration<double> queue_age() const = 0;         // of the oldest that waits
  virtual void close() = 0;  // refuses new calls, gives all that were taken their results
};

// Whether a model may be called so: its name stands in paths, URLs, logs and labels.
bool is_model_name(const std::string& name);
inline constexpr const char* kModelNameRule =
    "1 to 128 letters, digits, '-', '_' and '.', a letter or digit first";

}  // namespace tessera::server
