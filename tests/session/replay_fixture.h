// SPDX-License-Identifier: Apache-2.0
// Sessions leave a log, what is advised from it is done, and the same batches are served again.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/session/named_advice.h"
#include "tests/session/session_fixture.h"

namespace tessera {

using Events = std::vector<RecompileEvent>;

// Until all executables were there, warm-up included.
inline double took(const Events& log) {
  double seconds = 0;
  for (const RecompileEvent& event : log) seconds += event.wall_ms / 1e3;
  return seconds;
}

// How long requests waited for executables: compiled, loaded, or found to be large enough.
inline double waited(const Events& log) {
  double seconds = 0;
  for (const RecompileEvent& event : log) seconds += event.blocked_ms / 1e3;
  return seconds;
}

inline int64_t compiles_in(const Events& log) {
  return std::ranges::count_if(log, &RecompileEvent::is_compile);
}

// Keys, each once.
inline int64_t executables_in(const Events& log) {
  std::set<std::string> keys;
  for (const RecompileEvent& event : log)
    if (event.is_compile()) keys.insert(event.key.total);
  return std::ssize(keys);
}

// The share of tokens that were asked for, once the batches of a log are padded.
inline double useful_share(const Events& log) {
  int64_t asked = 0, added = 0;
  for (const RecompileEvent& event : log) {
    for (const ServedShapes& served : event.served)
      asked += served.batches * elements_of(served.shapes);
    if (event.request_id >= 0) asked += elements_of(event.shapes);
    if (event.kind == EventKind::BucketHit)
      added += elements_of(event.policy.padded_to) - elements_of(event.shapes);
  }
  return static_cast<double>(asked) / static_cast<double>(asked + added);
}

// The log of a machine with nothing else to do: the CPU's time in place of the clock's, which goes
// on while others run.
inline Events on_idle_machine(Events log) {
  for (RecompileEvent& event : log) {
    const double share = event.wall_ms > 0 ? std::min(1.0, event.cpu_ms / event.wall_ms) : 1;
    for (auto& [phase, ms] : event.phase_ms) ms *= share;
    for (double* ms : {&event.wall_ms, &event.blocked_ms, &event.cache.lookup_ms}) *ms *= share;
  }
  return log;
}

// How far a promise is from what came of it. A machine with other work may slow one of the two: the
// best of ten counts, and on a quiet one the first will do.
inline double best_of_ten(const std::function<double()>& error) {
  double best = error();
  for (int attempt = 1; attempt < 10 && best > 0.1; ++attempt) best = std::min(best, error());
  return best;
}

inline double error_of(double promised, double saved) { return std::abs(promised - saved) / saved; }

inline double error_of_option(const Events& before, const std::string& name, const Events& after) {
  const auto error = [&](const Events& log, const Events& replayed) {
    return error_of(option(advise(log).at(0), name).saved_seconds, took(log) - took(replayed));
  };
  return std::min(error(before, after), error(on_idle_machine(before), on_idle_machine(after)));
}

inline std::vector<int64_t> lengths_between(int64_t first, int64_t last) {
  std::vector<int64_t> lengths;
  for (int64_t length = first; length <= last; ++length) lengths.push_back(length);
  return lengths;
}

inline std::vector<int64_t> many_lengths() {
  std::vector<int64_t> lengths = lengths_between(5, 60);
  for (const int64_t length : {9, 9, 20, 31}) lengths.push_back(length);
  return lengths;
}

class Replay : public SessionTest {
 protected:
  Replay() {
    options_.tell = [](const std::string&) {};
    runner(*open(), shapes(4, 4));  // codelets are compiled: what follows is the same each time
    plain_ = options_;
  }

  // The events that `sessions` leave, with a new log and nothing in the cache.
  Events log_of(const std::function<void()>& sessions) {
    std::filesystem::remove(options_.events_path);
    std::filesystem::remove_all(cache());
    sessions();
    return read_events(options_.events_path).take();
  }
  // One session.
  void serve(const std::vector<int64_t>& lengths, const std::vector<int64_t>& rows = {4}) {
    const auto session = open();
    for (const int64_t length : lengths)
      for (const int64_t row : rows) EXPECT_TRUE(session->serve(shapes(row, length)).ok());
  }
  std::string cache() const { return folder_ / "cache"; }

  // Sets the options as the flags of an advised command do.
  void follow(const std::string& command) {
    std::istringstream words(command);
    std::string word, value;
    words >> word >> value >> word;  // tessera run bert.onnx
    EXPECT_EQ(word, "bert.onnx");
    while (words >> word >> value) {
      if (word == "--precision")
        options_.compile.precision = value == "fp16" ? Precision::Fp16 : Precision::Fp32;
      else if (word == "--target")
        options_.compile.target = target_preset(value).take();
      else if (word == "--memory_entries")
        options_.memory_entries = std::stoul(value);
      else if (word == "--on_recompile")
        options_.on_recompile = parse_on_recompile(value).take();
      else if (word == "--cache_dir")
        options_.cache_dir = cache();
      else
        ADD_FAILURE() << word;
    }
  }

  // Sessions leave a log, in which `rule` is found; `follow_it` does what the slip says; the same
  // sessions follow, and those of its compiles are gone that are not `made_all_the_same`. How far
  // the promise was from what came of it.
  double error_of_slip(AdviceRule rule, const std::function<void()>& sessions,
                       const std::function<void(const CompileSlip&)>& follow_it,
                       int64_t made_all_the_same = 0) {
    const Events before = log_of(sessions);
    const Advice advice = advise(before).at(0);
    const CompileSlip* found = slip(advice, rule);
    EXPECT_TRUE(found) << to_string(rule);
    if (!found) return 1;
    follow_it(*found);
    const Events after = log_of(sessions);
    EXPECT_EQ(compiles_in(before) - compiles_in(after), found->compiles - made_all_the_same);
    EXPECT_EQ(executables_in(after), found->executables);
    EXPECT_NEAR(useful_share(after), found->useful_share, 1e-9);
    const auto error = [&](const Events& log, const Events& replayed) {
      const Advice advised = advise(log).at(0);
      const CompileSlip* one = slip(advised, rule);
      return one ? error_of(one->seconds, waited(log) - waited(replayed)) : 1;
    };
    return std::min(error(before, after), error(on_idle_machine(before), on_idle_machine(after)));
  }

  SessionOptions plain_;
};

}  // namespace tessera
