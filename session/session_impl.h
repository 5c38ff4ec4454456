// SPDX-License-Identifier: Apache-2.0
// The inside of a Session: the order of work, and the locks. A batch takes these steps:
//
// clang-format off
//   serve    the executable is ready; or wait for the caller at work on the key; or obtain it
//                                                                           session.cpp
//   obtain   from disk; or as the policy says: pad, refuse, or compile      session_obtain.cpp
//   compile  the key's lock between processes, disk again, the compiler,
//            store                                                          session_obtain.cpp
//   pad      which larger executable, and whether that is exact             session_pad.cpp
//   record   what happened                                                  session_events.cpp
// clang-format on
//
// A lock guards the members that stand below it, up to the next one. Locks are taken in this order:
// a key's lock on disk, `building`, one of the others. None is held while a model is compiled or
// loaded but the first two.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

#include "session/background.h"
#include "session/callers.h"
#include "session/disk_cache.h"
#include "session/event_builder.h"
#include "session/event_log.h"
#include "session/key.h"
#include "session/known_executables.h"
#include "session/model_keys.h"
#include "session/padder.h"
#include "session/session.h"

namespace tessera {

// Why an executable is asked for, which decides what may be done.
enum class Purpose : uint8_t { Batch, ExactBatch, WarmUp, Background };

// Work on a key. Callers of the same key wait for it to land and look again; if it failed, they get
// its error and do not try again.
struct Flight {
  bool landed = false;
  std::optional<Error> failed;
};

// One request on its way through.
struct Ask {
  KeyPointer key;
  Purpose purpose = Purpose::Batch;
  WorkStart start;
  RecompileEvent event;
  Caller* caller = nullptr;
  std::vector<KeyRecord> evicted;  // from the disk, to make room for it
};

struct Session::Impl {
  Impl(const std::string& path, SessionOptions given, std::unique_ptr<DiskCache> cache,
       const std::string& cache_error);

  // These never change, or lock by themselves.
  const std::string model_path;
  const SessionOptions options;
  const std::unique_ptr<DiskCache> disk;
  EventLog log;

  std::mutex identifying;
  ModelKeys keys;

  std::mutex building;  // held for as long as a compile or load takes, so that they do not compete

  std::mutex mutex;
  std::condition_variable landed;
  std::map<std::string, std::shared_ptr<Flight>> flights;  // by total digest
  KnownExecutables known;
  Callers callers;
  Padder padder;
  EventBuilder builder;
  int64_t requests = 0, recompiles = 0;

  BackgroundCompiles background;  // has a lock of its own; the last member, so that it ends first

  // session.cpp
  Expected<Serving> serve(const InputShapes& asked, Purpose purpose);
  Expected<Serving> serve_key(const KeyPointer& key, Purpose purpose);
  std::optional<Serving> serve_ready(const KeyPointer& key, Purpose purpose, int64_t request_id);

  // session_obtain.cpp
  Expected<Serving> obtain(Ask& ask);
  Expected<Serving> load(Ask& ask, DiskLookup found);
  Expected<Serving> compile(Ask& ask);
  Expected<std::shared_ptr<ModelRunner>> build(Ask& ask, bool may_store);
  void store(Ask& ask, Executable& executable, double compile_ms);
  Serving keep(Ask& ask, std::shared_ptr<ModelRunner> runner);
  std::unique_lock<std::mutex> lock_building(const Ask& ask);
  bool over_budget();

  // session_pad.cpp
  // Nothing if no executable is large enough.
  Expected<std::optional<Serving>> pad(Ask& ask, const std::vector<KeyRecord>& in_cache);
  std::optional<Serving> pad_again(const ExecutableKey& key, int64_t request_id);
  void compile_later(const KeyPointer& key);
  void compile_now(const KeyPointer& key);

  // session_events.cpp
  void explain(Ask& ask, const DiskLookup& found, const std::vector<KeyRecord>& in_cache);
  Error refuse(Ask& ask, const std::string& why);
  Error refuse_entry(Ask& ask, const DiskLookup& found);
  int64_t finish(Ask& ask);  // prices the event and records it, and what was removed for it
  int64_t record(RecompileEvent event);
  void record_evicted(CacheTier tier, const ExecutableKey& key, int64_t bytes);
  void record_failure(const InputShapes& asked, const Error& error);
  void record_close();
};

}  // namespace tessera
