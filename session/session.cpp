// SPDX-License-Identifier: Apache-2.0
#include "session/session.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>

#include "compiler/compile.h"
#include "executor/jit.h"
#include "support/file.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

int64_t unix_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool same_inputs(const InputShapes& a, const InputShapes& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first; });
}

// A compile that succeeded, and what it made.
struct Known {
  int64_t event = 0;
  InputShapes shapes;
  std::shared_ptr<ModelRunner> runner;
};

}  // namespace

struct Session::Impl {
  std::string model_path;
  SessionOptions options;

  std::mutex compiling;  // held for as long as a compile takes
  std::atomic<int64_t> callers{0};
  std::vector<Known> known;

  mutable std::mutex events_mutex;
  std::vector<RecompileEvent> events;

  RecompileEvent begin_event(const InputShapes& shapes);
  Expected<std::shared_ptr<ModelRunner>> build(const InputShapes& shapes, RecompileEvent& event);
  Status record(const RecompileEvent& event);
  Expected<std::shared_ptr<ModelRunner>> find_or_build(const InputShapes& shapes);
};

// All that is known before the work begins: the cause, and the nearest known compile.
RecompileEvent Session::Impl::begin_event(const InputShapes& shapes) {
  RecompileEvent event;
  {
    const std::lock_guard lock(events_mutex);
    event.id = static_cast<int64_t>(events.size());
  }
  event.ts_unix_ns = unix_nanoseconds();
  event.model = std::filesystem::path(model_path).filename();
  event.shapes = shapes;
  event.kind = "cold_compile";
  event.cause = "first_seen";
  std::vector<const InputShapes*> candidates;
  for (const Known& k : known) candidates.push_back(&k.shapes);
  const int64_t nearest = nearest_shapes(candidates, shapes);
  if (nearest < 0) return event;
  const Known& other = known[static_cast<size_t>(nearest)];
  event.kind = "recompile";
  event.cause = same_inputs(other.shapes, shapes) ? "input_shape" : "input_set";
  event.nearest = other.event;
  event.difference = compare_shapes(other.shapes, shapes);
  return event;
}

Expected<std::shared_ptr<ModelRunner>> Session::Impl::build(const InputShapes& shapes,
                                                            RecompileEvent& event) {
  CompileOptions compile_options = options.compile;
  for (const auto& [name, shape] : shapes) compile_options.input_shape[name] = shape;
  CompileResult result = TRY(compile(model_path, compile_options));
  for (const Phase& phase : result.phases) {
    event.phase_ms.emplace_back(phase.name, phase.milliseconds);
  }
  event.model_sha256 = result.executable.metadata.source_sha256;
  if (result.out_of_memory) return *result.out_of_memory;
  const Clock::time_point begin = Clock::now();
  auto executable = std::make_shared<const Executable>(std::move(result.executable));
  std::shared_ptr<ModelRunner> runner =
      TRY(ModelRunner::create(std::move(executable), options.machine));
  event.phase_ms.emplace_back("load", milliseconds_since(begin));
  return runner;
}

Status Session::Impl::record(const RecompileEvent& event) {
  const std::lock_guard lock(events_mutex);
  events.push_back(event);
  if (options.events_path.empty()) return {};
  return append_line(options.events_path, to_json_line(event));
}

Expected<std::shared_ptr<ModelRunner>> Session::Impl::find_or_build(const InputShapes& shapes) {
  const std::lock_guard lock(compiling);
  for (const Known& k : known) {
    if (k.shapes == shapes) return k.runner;
  }
  RecompileEvent event = begin_event(shapes);
  const Clock::time_point begin = Clock::now();
  Expected<std::shared_ptr<ModelRunner>> runner = build(shapes, event);
  event.wall_ms = milliseconds_since(begin);
  event.requests_blocked = callers;
  if (runner) {
    known.push_back({event.id, shapes, *runner});
  } else {
    event.error = runner.error().message;
  }
  TRY(record(event));
  return runner;
}

Session::Session() : impl_(std::make_unique<Impl>()) {}
Session::~Session() = default;

Expected<std::unique_ptr<Session>> Session::open(const std::string& model_path,
                                                 SessionOptions options) {
  TRY(MappedFile::open(model_path));  // a missing file is the caller's mistake now, not at a run
  std::unique_ptr<Session> session(new Session);
  session->impl_->model_path = model_path;
  session->impl_->options = std::move(options);
  MachineOptions& machine = session->impl_->options.machine;
  if (!machine.jit) machine.jit = TRY(Jit::create({machine.cpu}));
  return session;
}

Expected<std::shared_ptr<ModelRunner>> Session::runner(const InputShapes& input_shapes) {
  ++impl_->callers;
  Expected<std::shared_ptr<ModelRunner>> runner = impl_->find_or_build(input_shapes);
  --impl_->callers;
  return runner;
}

std::vector<RecompileEvent> Session::events() const {
  const std::lock_guard lock(impl_->events_mutex);
  return impl_->events;
}

}  // namespace tessera
