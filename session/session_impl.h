// SPDX-License-Identifier: Apache-2.0
// The inside of a Session: the order of work. A batch takes these steps:
//
// clang-format off
//   serve    the executable is ready; or wait for the caller at work on the key; or obtain it
//                                                                           session.cpp
//   obtain   from disk; or as the policy says: pad, refuse, or compile      session_obtain.cpp
//   compile  the key's lock between processes, disk again, the compiler,
//            store                                                          session_obtain.cpp
//   pad      which larger executable, and whether that is exact             session_pad.cpp
// clang-format on
//
// The members hold the state, each with one job and with the lock that guards it. Locks are taken
// in this order: a key's lock on disk, `building`, then those of shared_work, padder, known and the
// rest. None but the first two is held while a model is compiled or loaded.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>

#include "session/ask.h"
#include "session/background.h"
#include "session/callers.h"
#include "session/disk_cache.h"
#include "session/event_recorder.h"
#include "session/key.h"
#include "session/known_executables.h"
#include "session/model_keys.h"
#include "session/padder.h"
#include "session/recompile_budget.h"
#include "session/session.h"
#include "session/shared_work.h"

namespace tessera {

struct Session::Impl {
  Impl(const std::string& path, SessionOptions given, std::unique_ptr<DiskCache> cache,
       const std::string& cache_error);

  const std::string model_path;
  const SessionOptions options;
  const std::unique_ptr<DiskCache> disk;  // null: no folder

  ModelKeys keys;
  KnownExecutables known;
  Padder padder;
  RecompileBudget budget;
  Callers callers;
  SharedWork shared_work;
  EventRecorder recorder;
  std::atomic<int64_t> requests = 0;

  std::mutex building;  // held for as long as a compile or load takes, so that they do not compete

  BackgroundCompiles background;  // the last member, so that it ends first

  // session.cpp
  Expected<Serving> serve(const InputShapes& asked, Purpose purpose);
  Expected<Serving> serve_key(const KeyPointer& key, Purpose purpose);
  std::optional<Serving> serve_ready(const ExecutableKey& key, Purpose purpose, int64_t request_id);

  // session_obtain.cpp
  Expected<Serving> obtain(Ask& ask);
  Expected<Serving> load(Ask& ask, DiskLookup found);
  Expected<Serving> compile(Ask& ask);
  Expected<std::shared_ptr<ModelRunner>> build(Ask& ask, bool may_store);
  Serving keep(Ask& ask, std::shared_ptr<ModelRunner> runner);

  // session_pad.cpp
  // Nothing if no executable is large enough.
  Expected<std::optional<Serving>> pad(Ask& ask, const std::vector<KeyRecord>& in_cache);
  void compile_in_background(const KeyPointer& key);
};

}  // namespace tessera
