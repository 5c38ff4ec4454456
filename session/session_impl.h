// SPDX-License-Identifier: Apache-2.0
// The inside of a Session. A batch takes these steps:
//
//   serve    memory, or wait for whoever is at work on the key, or go to work     session.cpp
//   obtain   disk; then what the policy says: pad, refuse, or compile session_obtain.cpp compile
//   the key's lock between processes, disk again, the compiler, store    session_obtain.cpp pad
//   which larger executable, and whether that is exact                   session_pad.cpp
//
// and session_events.cpp says what happened. Locks are taken in this order: a key's lock on disk,
// `building`, `mutex`.
#pragma once

#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "session/disk_cache.h"
#include "session/event_log.h"
#include "session/memory_cache.h"
#include "session/session.h"

namespace tessera {

using KeyPointer = std::shared_ptr<const ExecutableKey>;

// Why someone asks, and so what may be done.
enum class Purpose : uint8_t { Batch, ExactBatch, WarmUp, Background };

// A caller who has to wait, for as long as it stands in the list of its session.
struct Caller {
  std::string total;  // of the key; "": nobody waits for an answer
  std::chrono::steady_clock::time_point arrived;
  bool in_line = false;  // waits for the compile of another key to end
};

// Someone at work on a key. Those who come meanwhile wait for it to land and look again; a compile
// that failed is not tried again for them.
struct Flight {
  bool landed = false;
  std::optional<Error> failed;
};

// One request on its way through.
struct Ask {
  KeyPointer key;
  Purpose purpose = Purpose::Batch;
  std::chrono::steady_clock::time_point begin;
  double cpu_begin = 0;
  RecompileEvent event;
  Caller* caller = nullptr;
  std::vector<KeyRecord> evicted;  // from the disk, to make room for it
};

// Which executable a shape is padded to, and the event that each such batch leaves.
struct PadDecision {
  RecompileEvent event;
  std::string larger;  // total digest
  std::shared_ptr<const PaddingRule> rule;
};

struct Session::Impl {
  std::string model_path;
  SessionOptions options;
  std::unique_ptr<DiskCache> disk;
  std::string disk_error;  // why there is none, though one was asked for
  std::unique_ptr<EventLog> log;

  std::mutex identifying;  // these two
  std::shared_ptr<const ModelIdentity> identity;
  std::map<InputShapes, KeyPointer> keys;

  std::mutex building;  // held for as long as a compile or load takes

  std::mutex mutex;  // all that follows, up to the next
  std::condition_variable landed;
  std::optional<MemoryCache> memory;
  std::map<std::string, std::shared_ptr<Flight>> flights;  // by total digest
  std::list<Caller> callers;
  std::vector<std::pair<ExecutableKey, int64_t>> known;  // with the event that brought it
  std::set<std::string> evicted;                         // from memory
  std::map<std::string, PadDecision> pads;               // by total digest
  int64_t requests = 0, recompiles = 0;
  std::set<std::string> recompiled;  // shapes, for advice
  double recompile_ms = 0;

  std::mutex proving;
  std::string padding_graph;  // of which the next was proved or refuted
  std::optional<Expected<std::shared_ptr<const PaddingRule>>> padding;

  std::thread worker;  // its queue is under `mutex`
  std::condition_variable wake, idle;
  std::deque<KeyPointer> queue;
  bool stop = false, working = false;

  // session.cpp
  Expected<KeyPointer> key_of(const InputShapes& asked);
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
  Error refuse(Ask& ask, const std::string& why);
  Error refuse_entry(Ask& ask, const DiskLookup& found);
  std::unique_lock<std::mutex> take_turn(const Ask& ask);
  bool over_budget();

  // session_pad.cpp
  // Nothing where no executable is large enough.
  Expected<std::optional<Serving>> pad(Ask& ask, const std::vector<KeyRecord>& records);
  std::optional<Serving> pad_again(const ExecutableKey& key, int64_t request_id);
  Expected<std::shared_ptr<const PaddingRule>> padding_rule_of(const ExecutableKey& key);
  void compile_in_background(const KeyPointer& key);
  void work();

  // session_events.cpp
  Ask begin(const KeyPointer& key, Purpose purpose, int64_t request_id);
  void explain(Ask& ask, const DiskLookup& found, const std::vector<KeyRecord>& records);
  void price(Ask& ask);      // times, waiters, budget: just before it is recorded
  int64_t finish(Ask& ask);  // price, record, and what had to go for it
  int64_t record(RecompileEvent event);
  void record_evicted(CacheTier tier, const ExecutableKey& key, int64_t bytes);
  void record_failure(const InputShapes& asked, const Error& error);
  void advise(RecompileEvent& event);
};

double milliseconds_since(std::chrono::steady_clock::time_point begin);
int64_t unix_nanoseconds();

}  // namespace tessera
