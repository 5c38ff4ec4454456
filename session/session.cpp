// SPDX-License-Identifier: Apache-2.0
#include "session/session.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "executor/jit.h"
#include "session/key.h"
#include "session/session_impl.h"
#include "support/file.h"
#include "support/guard.h"

namespace tessera {
namespace {

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

// Without a cache of compiled codelets, loads take longer. One line per process says so.
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

std::string default_executable_cache() {
  const char* folder = std::getenv("TESSERA_CACHE_DIR");
  return folder ? folder : "";
}

Session::Impl::Impl(const std::string& path, SessionOptions given, std::unique_ptr<DiskCache> cache,
                    const std::string& cache_error)
    : model_path(path),
      options(std::move(given)),
      disk(std::move(cache)),
      keys(path, options.compile),
      known(options.memory_entries, options.memory_bytes),
      budget(options.recompile_limit),
      recorder(path, options, cache_error, {disk.get(), known, callers, budget}),
      background([this](const KeyPointer& key) { compile_in_background(key); }) {}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Session::~Session() {
  impl_->background.stop();
  static_cast<void>(guarded(impl_->model_path, [&]() -> Status {
    impl_->recorder.closed();
    return {};
  }));
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
  if (!options.tell) options.tell = print_to_stderr;
  std::string cache_error;
  std::unique_ptr<DiskCache> cache = TRY(open_cache(options, cache_error));
  MachineOptions& machine = options.machine;
  if (!machine.jit) machine.jit = TRY(Jit::create({machine.cpu, machine.cache_folder}));
  std::unique_ptr<Session> session(new Session(
      std::make_unique<Impl>(model_path, std::move(options), std::move(cache), cache_error)));
  Impl& impl = *session->impl_;
  EventLog& log = impl.recorder.log();
  tell_once(log, impl.options.machine.jit->cache_problem());
  if (!cache_error.empty()) log.tell("no cache: " + cache_error);
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
    const Serving serving = TRY(serve(shapes));
    HostTensors outputs = TRY(serving.run(inputs));
    for (const NotFinite& found : serving.not_finite(outputs))
      impl_->recorder.log().tell(to_string(found));
    return outputs;
  });
}

std::vector<RecompileEvent> Session::events() const { return impl_->recorder.log().events(); }
std::string Session::metrics() const { return impl_->recorder.log().metrics_text(); }
SessionCounts Session::counts() const { return impl_->recorder.log().counts(); }

void Session::finish_background() { impl_->background.finish(); }

Expected<Serving> Session::Impl::serve(const InputShapes& asked, Purpose purpose) {
  return guarded(model_path, [&]() -> Expected<Serving> {
    const Expected<KeyPointer> key = keys.key_of(asked);
    if (key.ok()) return serve_key(*key, purpose);
    recorder.failed_without_key(asked, key.error());
    return key.error();
  });
}

// An executable that is ready, for which no work is needed.
std::optional<Serving> Session::Impl::serve_ready(const ExecutableKey& key, Purpose purpose,
                                                  int64_t request_id) {
  const InputShapes shapes = shapes_of(key);
  if (std::shared_ptr<ModelRunner> runner = known.find(key.digests.total)) {
    if (request_id >= 0) recorder.log().count(shapes);
    return Serving{std::move(runner), shapes};
  }
  if (purpose != Purpose::Batch) return std::nullopt;
  std::optional<Padder::Padded> padded = padder.find(key.digests.total, known);
  if (!padded) return std::nullopt;
  recorder.padded_again(std::move(padded->event), request_id);
  return Serving{std::move(padded->runner), shapes, /*is_padded=*/true};
}

Expected<Serving> Session::Impl::serve_key(const KeyPointer& key, Purpose purpose) {
  const std::string& total = key->digests.total;
  const bool is_batch = purpose == Purpose::Batch || purpose == Purpose::ExactBatch;
  const int64_t request_id = is_batch ? requests++ : -1;
  if (std::optional<Serving> ready = serve_ready(*key, purpose, request_id)) return *ready;
  std::optional<Callers::Place> caller(std::in_place, callers, is_batch ? total : "");
  const auto work = [&] {
    Expected<Serving> serving = guarded(model_path, [&] {
      Ask ask{.key = key,
              .purpose = purpose,
              .start = WorkStart::now(),
              .event = recorder.begin(*key, request_id),
              .caller = *caller,
              .evicted = {}};
      return obtain(ask);
    });
    caller.reset();  // those that it lets go on do not count it
    return serving;
  };
  return shared_work.serve(total, [&] { return serve_ready(*key, purpose, request_id); }, work);
}

}  // namespace tessera
