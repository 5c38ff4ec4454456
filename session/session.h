// SPDX-License-Identifier: Apache-2.0
// A Session owns a model and its executables by input shape, in memory and, if it is given a
// folder, on disk. A shape that it meets for the first time is compiled, loaded, padded to a larger
// one or refused, as its policy says. Each of these leaves one event with its cause, the difference
// to the nearest known executable, and its price (docs/recompiles.md).
#pragma once

#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/options.h"
#include "executor/host_arrays.h"
#include "executor/model_runner.h"
#include "session/events.h"
#include "support/expected.h"
#include "support/type.h"

namespace tessera {

// The policy when a recompile is due, i.e. when a model that already has an executable must be
// compiled again: OnRecompile (session/events.def). The first compile is always made.
Expected<OnRecompile> parse_on_recompile(std::string_view text);  // Usage errors list the words

struct SessionOptions {
  CompileOptions compile;  // each run adds its own input_shape
  MachineOptions machine;
  std::string events_path;  // JSON lines are appended here; "": kept in memory only

  OnRecompile on_recompile = OnRecompile::Warn;
  int64_t recompile_limit = -1;      // more recompiles than this are refused; -1: no limit
  std::vector<InputShapes> warm_up;  // compiled by open, whatever the policy
  bool background = false;           // Pad: compile the exact shape meanwhile, for later batches

  std::string cache_dir;  // executables on disk, shared by processes; "": none
  int64_t cache_limit_bytes = int64_t{16} << 30;
  size_t memory_entries = 64;  // executables that are kept ready
  int64_t memory_bytes = std::numeric_limits<int64_t>::max();
  // How long to wait for another process that compiles the same before compiling it too.
  std::chrono::milliseconds lock_patience{600'000};

  std::string call_site;  // the name that events give the session's owner
  // Called with one line for each event, unless the policy is Allow, and for each output of
  // Session::run that half precision made infinities or NaN of; null: standard error.
  std::function<void(const std::string&)> tell;
};

struct HostTensor {
  DType dtype = DType::F32;
  Shape shape;
  std::vector<std::byte> bytes;  // row-major
};
using HostTensors = std::map<std::string, HostTensor>;

// The runner of the batches of one shape.
struct Serving {
  std::shared_ptr<ModelRunner> runner;
  InputShapes asked;       // of every input, as the caller has it
  bool is_padded = false;  // false: the runner has exactly these shapes

  // The runner's anchors, with the shapes that were asked for.
  std::vector<Anchor> anchors() const;
  // Runs one batch. Returns every output in its anchor's dtype, cut to the shapes that were asked
  // for. Errors as of ModelRunner::run.
  Expected<HostTensors> run(const InputViews& inputs) const;
  // The outputs that hold infinities or NaN, of a runner in half precision.
  std::vector<NotFinite> not_finite(const HostTensors& outputs) const;
};

// By the word of the cause (session/events.def).
struct SessionCounts {
  std::map<std::string_view, int64_t> compiles, recompiles;
  int64_t hits = 0, misses = 0, refused = 0;
  double compile_seconds = 0;
};

// TESSERA_CACHE_DIR, or "".
std::string default_executable_cache();

// Thread-safe. Shapes that are ready do not wait for one that compiles; compiles and loads of one
// session come one after the other, and callers of one shape share one.
class Session {
 public:
  // Errors: no such model; a cache folder that others can write to (BadFile); an events file that
  // cannot be written; an error of warm_up. If the cache cannot be opened for any other reason, the
  // session says so and runs without one.
  static Expected<std::unique_ptr<Session>> open(const std::string& model_path,
                                                 SessionOptions options);
  ~Session();  // waits for the background compile; records the batches that no event has counted

  // The executable that answers batches of these shapes. Shapes of inputs that are left out follow
  // from their symbolic dimensions. If the shapes or the model are wrong, the compiler's error
  // comes back, and an event is recorded too. A refusal is of kind Refused.
  Expected<Serving> serve(const InputShapes& input_shapes);
  // The runner for inputs of exactly these shapes: as serve, but Pad compiles.
  Expected<std::shared_ptr<ModelRunner>> runner(const InputShapes& input_shapes);
  // One batch: serve, then Serving::run.
  Expected<HostTensors> run(const InputViews& inputs);

  // The last 4096 events, oldest first.
  std::vector<RecompileEvent> events() const;
  std::string metrics() const;  // Prometheus' text format
  SessionCounts counts() const;
  void finish_background();  // waits until nothing is left to compile

 private:
  static Expected<std::unique_ptr<Session>> open_unguarded(const std::string& model_path,
                                                           SessionOptions options);
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera
