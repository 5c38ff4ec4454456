// SPDX-License-Identifier: Apache-2.0
// Verbs that are killed at random moments, by a signal that nobody can catch. Afterwards every file
// is readable or not there, and the same command without a kill succeeds over what is left.
// TESSERA_SLOW asks for the full count.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>
#include <thread>

#include "codelets/codelet.h"
#include "program/popef.h"
#include "program/read_popef.h"
#include "support/npy.h"
#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;
using Clock = std::chrono::steady_clock;

int kills() { return std::getenv("TESSERA_SLOW") != nullptr ? 300 : 12; }

void expect_readable(const std::string& folder) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    const std::string extension = entry.path().extension();
    if (extension == ".popef") {
      EXPECT_TRUE(read_popef(entry.path(), check_compute_set).ok()) << entry.path();
    }
    if (extension == ".npy") {
      EXPECT_TRUE(read_npy(entry.path()).ok()) << entry.path();
    }
  }
}

// `forget` before each start makes the verb do all of its work anew.
template <class Forget>
void kill_at_random(const Words& words, const std::string& folder, Forget forget) {
  fs::create_directories(folder);
  const auto begin = Clock::now();
  ASSERT_EQ(tessera(words).exit_code, 0);
  const auto whole = Clock::now() - begin;
  std::mt19937_64 random(11);
  int killed = 0;
  for (int i = 0; i < kills(); ++i) {
    forget();
    const pid_t child = start_tessera(words);
    std::this_thread::sleep_for(whole * std::uniform_real_distribution<>(0, 1.1)(random));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    killed += WIFSIGNALED(status);
    expect_readable(folder);
  }
  EXPECT_GT(killed, 0) << "all were faster";
  const Result result = tessera(words);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  expect_readable(folder);
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    EXPECT_NE(entry.path().extension(), ".tmp") << entry.path() << " was left";
}

TEST(Killed, a_compile_leaves_the_old_executable_or_the_new) {
  const std::string folder = path("killed_compile");
  kill_at_random({"compile", "--input_model", tiny_model(), "--input_shape", "input_ids=4,16",
                  "--target", "test", "-o", folder + "/a.popef"},
                 folder, [] {});
  EXPECT_TRUE(fs::exists(folder + "/a.popef"));
}

TEST(Killed, a_run_leaves_whole_arrays) {
  const std::string folder = path("killed_run");
  kill_at_random(
      {"run", padded_executable(), "--inputs", padded_inputs(), "--outputs", folder + "/answers"},
      folder, [] {});
}

TEST(Killed, a_session_leaves_a_cache_and_a_log_that_the_next_goes_on_with) {
  const std::string folder = path("killed_session");
  kill_at_random({"run", tiny_model(), "--random", "input_ids=2,8", "input_ids=2,6", "--target",
                  "test", "--events", folder + "/events.jsonl", "--cache_dir", folder + "/cache"},
                 folder, [&] { fs::remove_all(folder + "/cache/v1/entries"); });
  const Result log = tessera({"recompiles", "list", folder + "/events.jsonl"});
  EXPECT_EQ(log.exit_code, 0) << log.err;
}

}  // namespace
}  // namespace tessera::cli
