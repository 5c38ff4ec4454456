// SPDX-License-Identifier: Apache-2.0
#include "session/session.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "executor/jit.h"
#include "session/session_impl.h"
#include "support/file.h"
#include "support/guard.h"

namespace tessera {
namespace {

constexpr size_t kMostKeys = 65'536;

void print_to_stderr(const std::string& line) {
  std::fprintf(stderr, "tessera: %s\n", line.c_str());
}

Expected<std::unique_ptr<DiskCache>> open_cache(const SessionOptions& options, std::string& error) {
  if (options.cache_dir.empty()) return std::unique_ptr<DiskCache>();
  auto cache = DiskCache::open(options.cache_dir, options.cache_limit_bytes);
  if (cache.ok() || cache.error().kind == ErrorKind::BadFile) return cache;
  error = cache.error().message;
  return std::unique_ptr<DiskCache>();
}

Status check_events_file(const std::string& path) {
  if (path.empty()) return {};
  return check_appendable(path);
}

// A cache of compiled codelets that cannot be had costs time, which is worth one line.
void tell_once(const EventLog& log, const std::string& problem) {
  static std::atomic<bool> told = false;
  if (!problem.empty() && !told.exchange(true))
    log.tell("no cache of compiled codelets: " + problem);
}

}  // namespace

Expected<OnRecompile> parse_on_recompile(std::string_view text) {
  if (const auto policy = parse_word<OnRecompile>(text)) return *policy;
  return Error{
      "on_recompile: is '" + std::string(text) + "', must be " + list_of_words<OnRecompile>(),
      ErrorKind::Usage};
}

std::string default_cache_dir() {
  const char* folder = std::getenv("TESSERA_CACHE_DIR");
  return folder ? folder : "";
}

Session::Session() : impl_(std::make_unique<Impl>()) {}

Session::~Session() {
  if (!impl_->log) return;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
    impl_->queue.clear();
    impl_->wake.notify_all();
  }
  if (impl_->worker.joinable()) impl_->worker.join();
  const auto record_close = [&]() -> Status {
    if (!impl_->log->has_counts()) return {};
    RecompileEvent event = impl_->begin(nullptr, Purpose::Background, -1).event;
    event.kind = EventKind::Closed;
    event.policy.action = PolicyAction::None;
    event.cache.outcome = impl_->disk ? CacheOutcome::Miss : CacheOutcome::Off;
    impl_->record(std::move(event));
    return {};
  };
  static_cast<void>(guarded(impl_->model_path, record_close));
}

Expected<std::unique_ptr<Session>> Session::open(const std::string& model_path,
                                                 SessionOptions options) {
  return guarded(model_path, [&] { return open_unguarded(model_path, std::move(options)); });
}

Expected<std::unique_ptr<Session>> Session::open_unguarded(const std::string& model_path,
                                                           SessionOptions options) {
  TRY(MappedFile::open(model_path));  // a missing file is the caller's mistake now, not at a run
  TRY(check_events_file(options.events_path));
  if (options.machine.require_signature)
    return Error{
        "session: require_signature is for executables that are loaded from a file, must "
        "not be given: a session makes its own",
        ErrorKind::Usage};
  std::unique_ptr<Session> session(new Session);
  Impl& impl = *session->impl_;
  impl.model_path = model_path;
  impl.options = std::move(options);
  if (!impl.options.tell) impl.options.tell = print_to_stderr;
  impl.disk = TRY(open_cache(impl.options, impl.disk_error));
  impl.memory.emplace(impl.options.memory_entries, impl.options.memory_bytes);
  MachineOptions& machine = impl.options.machine;
  if (!machine.jit) machine.jit = TRY(Jit::create({machine.cpu, machine.cache_folder}));
  impl.log = std::make_unique<EventLog>(
      EventLogOptions{.path = impl.options.events_path, .tell = impl.options.tell});
  tell_once(*impl.log, machine.jit->cache_problem());
  if (!impl.disk_error.empty()) impl.log->tell("no cache: " + impl.disk_error);
  for (const InputShapes& shapes : impl.options.warm_up) TRY(impl.serve(shapes, Purpose::WarmUp));
  return session;
}

Expected<Serving> Session::serve(const InputShapes& input_shapes) {
  return impl_->serve(input_shapes, Purpose::Batch);
}

Expected<std::shared_ptr<ModelRunner>> Session::runner(const InputShapes& input_shapes) {
  return TRY(impl_->serve(input_shapes, Purpose::ExactBatch)).runner;
}

Expected<HostTensors> Session::run(const InputViews& inputs) {
  return guarded(impl_->model_path, [&]() -> Expected<HostTensors> {
    InputShapes shapes;
    for (const auto& [name, view] : inputs) shapes[name] = view.shape;
    return TRY(serve(shapes)).run(inputs);
  });
}

std::vector<RecompileEvent> Session::events() const { return impl_->log->events(); }
std::string Session::metrics() const { return impl_->log->metrics_text(); }

void Session::finish_background() {
  std::unique_lock lock(impl_->mutex);
  impl_->idle.wait(lock, [&] { return impl_->queue.empty() && !impl_->working; });
}

// The key of these shapes. The model is read when it is first needed, and again when its file has
// changed: then every key is another.
Expected<KeyPointer> Session::Impl::key_of(const InputShapes& asked) {
  const std::lock_guard lock(identifying);
  if (!identity || !identity->is_current()) {
    keys.clear();
    identity = TRY(ModelIdentity::of(model_path));
  }
  if (const auto found = keys.find(asked); found != keys.end()) return found->second;
  CompileOptions compile_options = options.compile;
  TRY(check_options(compile_options));
  for (const auto& [name, shape] : asked) compile_options.input_shape[name] = shape;
  std::vector<InputSignature> inputs = TRY(identity->signature(compile_options.input_shape));
  if (keys.size() >= kMostKeys) keys.clear();
  auto key = std::make_shared<const ExecutableKey>(
      make_key(*identity, std::move(inputs), compile_options));
  keys[asked] = key;
  return KeyPointer(key);
}

Expected<Serving> Session::Impl::serve(const InputShapes& asked, Purpose purpose) {
  return guarded(model_path, [&]() -> Expected<Serving> {
    Expected<KeyPointer> key = key_of(asked);
    if (key.ok()) return serve_key(*key, purpose);
    record_failure(asked, key.error());
    return key.error();
  });
}

// What is in memory, for which no work is needed. The caller holds `mutex`.
std::optional<Serving> Session::Impl::serve_ready(const KeyPointer& key, Purpose purpose,
                                                  int64_t request_id) {
  if (const ReadyExecutable* ready = memory->find(key->digests.total)) {
    const InputShapes shapes = shapes_of(*key);
    if (request_id >= 0) log->count(shapes);
    return Serving{ready->runner, shapes, nullptr};
  }
  return purpose == Purpose::Batch ? pad_again(*key, request_id) : std::nullopt;
}

Expected<Serving> Session::Impl::serve_key(const KeyPointer& key, Purpose purpose) {
  const std::string& total = key->digests.total;
  const bool is_batch = purpose == Purpose::Batch || purpose == Purpose::ExactBatch;
  std::unique_lock lock(mutex);
  const int64_t request_id = is_batch ? requests++ : -1;
  std::shared_ptr<Flight> flight;
  const auto caller =
      callers.insert(callers.end(), {is_batch ? total : "", std::chrono::steady_clock::now()});
  const auto leave = [&] { callers.erase(caller); };
  for (;;) {
    if (std::optional<Serving> ready = serve_ready(key, purpose, request_id)) {
      leave();
      return *ready;
    }
    const auto other = flights.find(total);
    if (other == flights.end()) break;
    flight = other->second;
    landed.wait(lock, [&] { return flight->landed; });
    if (!flight->failed) continue;
    leave();
    return *flight->failed;
  }
  flight = flights[total] = std::make_shared<Flight>();
  lock.unlock();
  Expected<Serving> serving = guarded(model_path, [&] {
    Ask ask = begin(key, purpose, request_id);
    ask.caller = &*caller;
    return obtain(ask);
  });
  lock.lock();
  leave();
  flight->landed = true;
  // A refusal is each caller's own.
  if (!serving.ok() && serving.error().kind != ErrorKind::Refused) flight->failed = serving.error();
  flights.erase(total);
  landed.notify_all();
  return serving;
}

}  // namespace tessera
