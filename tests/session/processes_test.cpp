// SPDX-License-Identifier: Apache-2.0
// The cache under many processes, some of which die. TESSERA_SLOW asks for the full counts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <iostream>
#include <random>
#include <thread>

#include "compiler/compile.h"
#include "compiler/onnx/make/make_model.h"
#include "session/disk_cache.h"
#include "session/session.h"
#include "support/file.h"
#include "tests/helpers/temp_folder.h"
#include "tests/session/small_entry.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Outcome = DiskLookup::Outcome;

bool slow() { return std::getenv("TESSERA_SLOW") != nullptr; }

class Processes : public ::testing::Test {
 protected:
  // Runs `body` in a child, whose exit code says whether it returned true.
  template <class Body>
  static pid_t start(Body body) {
    const pid_t child = fork();
    if (child == 0) _exit(body() ? 0 : 1);
    return child;
  }
  static bool ended_well(pid_t child) {
    int status = 0;
    return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  std::unique_ptr<DiskCache> open() const {
    return DiskCache::open(folder_ / "cache", int64_t{1} << 30).take();
  }

  const TempFolder folder_;
};

// Each opens a session of its own over the same folder and model and asks for the same shape.
TEST_F(Processes, racing_for_one_key_compile_once) {
  const std::string model = folder_ / "bert.onnx";
  ASSERT_TRUE(make_model(make_model_preset("tiny").take(), model).ok());
  const int processes = slow() ? 32 : 8;
  const auto ask = [&] {
    SessionOptions options;
    options.compile.target = target_preset("test").take();
    options.machine.threads = 1;
    options.events_path = folder_ / "events.jsonl";
    options.cache_dir = folder_ / "cache";
    options.on_recompile = OnRecompile::Allow;
    const auto session = Session::open(model, options);
    return session.ok() && (*session)
                               ->serve({
                                   {"input_ids", {2, 8}}
    })
                               .ok();
  };
  std::vector<pid_t> children;
  for (int i = 0; i < processes; ++i) children.push_back(start(ask));
  for (const pid_t child : children) EXPECT_TRUE(ended_well(child));
  const auto events = read_events(folder_ / "events.jsonl");
  ASSERT_TRUE(events.ok()) << events.error().message;
  const auto compiles = std::ranges::count_if(*events, &RecompileEvent::is_compile);
  const auto loads = std::ranges::count(*events, EventKind::CacheLoad, &RecompileEvent::kind);
  EXPECT_EQ(compiles, 1);
  EXPECT_EQ(loads, processes - 1);
}

// The same without the machine, so that all 32 meet at the lock at once.
TEST_F(Processes, thirty_two_at_the_lock_compile_once) {
  open();
  const auto go = Clock::now() + std::chrono::milliseconds(300);
  const auto ask = [&] {
    const auto cache = open();
    std::this_thread::sleep_until(go);
    const KeyRecord record = small_record();
    if (cache->find(record.key).outcome == Outcome::Hit) return true;
    const auto lock = cache->lock(record.key, std::chrono::seconds(60));
    if (!lock.ok()) return false;
    if (cache->find(record.key).outcome == Outcome::Hit) return true;
    if (!append_line(folder_ / "compiles", "one").ok()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    Executable executable = small_executable();
    return cache->store(record, executable).ok();
  };
  std::vector<pid_t> children;
  for (int i = 0; i < 32; ++i) children.push_back(start(ask));
  for (const pid_t child : children) EXPECT_TRUE(ended_well(child));
  EXPECT_EQ(read_text_file(folder_ / "compiles").take(), "one\n");
}

TEST_F(Processes, a_lock_of_a_killed_owner_is_free) {
  const auto cache = open();
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t owner = start([&] {
    const auto lock = open()->lock(small_record().key, std::chrono::seconds(1));
    const bool told = ::write(ready[1], "x", 1) == 1;
    ::pause();
    return told;
  });
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_FALSE(cache->lock(small_record().key, std::chrono::milliseconds(20)).ok());
  ::kill(owner, SIGKILL);
  ::waitpid(owner, nullptr, 0);
  EXPECT_TRUE(cache->lock(small_record().key, std::chrono::milliseconds(20)).ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

// Writers are killed anywhere between their first and their last byte; a reader then finds the
// whole entry or none.
TEST_F(Processes, writers_killed_at_random_points_leave_no_bad_load) {
  const auto store = [&] {
    const auto cache = open();
    const auto lock = cache->lock(small_record().key, std::chrono::seconds(10));
    Executable executable = small_executable();
    return lock.ok() && cache->store(small_record(), executable).ok();
  };
  const auto forget = [&] {
    fs::remove_all(folder_ / "cache/v1/entries/" + small_record().key.digests.total);
  };
  const auto begin = Clock::now();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(ended_well(start(store)));
    forget();
  }
  const auto whole = (Clock::now() - begin) / 5;
  std::mt19937_64 random(7);
  const int writers = slow() ? 1000 : 100;
  int hits = 0, misses = 0;
  const auto cache = open();
  for (int i = 0; i < writers; ++i) {
    const pid_t writer = start(store);
    const double share = std::uniform_real_distribution<>(0, 1.2)(random);
    std::this_thread::sleep_for(whole * share);
    ::kill(writer, SIGKILL);
    ::waitpid(writer, nullptr, 0);
    const DiskLookup found = cache->find(small_record().key);
    ASSERT_TRUE(found.outcome == Outcome::Hit || found.outcome == Outcome::Miss)
        << i << ": " << found.reason;
    (found.outcome == Outcome::Hit ? hits : misses)++;
    forget();
  }
  EXPECT_GT(hits, 0) << "some came to their end";
  EXPECT_GT(misses, 0) << "some did not";
  EXPECT_TRUE(ended_well(start(store))) << "what they left is in nobody's way";
  EXPECT_EQ(cache->find(small_record().key).outcome, Outcome::Hit);
  EXPECT_TRUE(fs::is_empty(folder_ / "cache/v1/writing"));
}

// Some write, some read, and the folder holds less than all they write.
TEST_F(Processes, readers_beside_writers_and_evictions_see_whole_entries) {
  int64_t one = 0;
  {
    const auto cache = open();
    Executable executable = small_executable();
    const auto lock = cache->lock(small_record().key, std::chrono::seconds(1));
    ASSERT_TRUE(cache->store(small_record(), executable).ok());
    one = cache->usage().bytes;
  }
  const int rounds = slow() ? 300 : 30;
  const auto work = [&](unsigned seed) {
    std::mt19937 random(seed);
    const auto cache = DiskCache::open(folder_ / "cache", 3 * one + one / 2).take();
    const auto fails = [](const std::string& why) {
      std::cerr << "a child: " << why << "\n";
      return false;
    };
    for (int i = 0; i < rounds; ++i) {
      const KeyRecord record = small_record(1 + random() % 6);
      const DiskLookup found = cache->find(record.key);
      if (found.outcome == Outcome::Rejected) return fails("a lookup: " + found.reason);
      if (found.outcome == Outcome::Hit) continue;
      const auto lock = cache->lock(record.key, std::chrono::seconds(60));
      if (!lock.ok()) return fails("a lock: " + lock.error().message);
      if (cache->find(record.key).outcome == Outcome::Hit) continue;
      Executable executable = small_executable();
      const auto stored = cache->store(record, executable);
      if (!stored.ok()) return fails("a store: " + stored.error().message);
    }
    return true;
  };
  std::vector<pid_t> children;
  for (unsigned i = 0; i < 6; ++i) children.push_back(start([&] { return work(i); }));
  for (const pid_t child : children) EXPECT_TRUE(ended_well(child));
}

}  // namespace
}  // namespace tessera
