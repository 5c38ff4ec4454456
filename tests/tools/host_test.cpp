// SPDX-License-Identifier: Apache-2.0
// A host that gives too little: output that cannot be written, threads, memory and descriptors that
// cannot be had, an environment of nonsense. Each is an error or an answer, never a signal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr size_t kMiB = size_t{1} << 20;
constexpr int kSignal = 128;

// Sanitizers reserve terabytes of addresses, so that no limit on them can hold.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryCanBeLimited = false;
#else
constexpr bool kMemoryCanBeLimited = true;
#endif

Words compile_to(const std::string& output) {
  return {"compile",  "--input_model", tiny_model(), "--input_shape", "input_ids=4,16",
          "--target", "test",          "-o",         path(output)};
}

Words run_words() { return {"run", padded_executable(), "--random", "yes", "--threads", "2"}; }

// A command of every verb that succeeds.
std::vector<Words> commands() {
  return {
      {"version"},
      {"--help"},
      {"run", "--help"},
      {"make-model", "--preset", "tiny", "-o", path("host.onnx")},
      compile_to("host.popef"),
      {"compile", "--list_passes"},
      {"convert", "--input_model", tiny_model(), "--input_shape", "input_ids=4,16", "-o",
       path("host_converted.onnx")},
      {"inspect", padded_executable()},
      {"inspect", padded_executable(), "--json"},
      run_words(),
      {"run", tiny_model(), "--random", "input_ids=4,16", "--target", "test"},
      {"bench", packed_executable(), "--iterations", "1"},
  };
}

std::string as_text(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += " " + word;
  return text;
}

Surroundings with_output(const std::string& out) {
  Surroundings with;
  with.out = out;
  return with;
}

void expect_lost_output(const Surroundings& with, const Words& words, const std::string& reason) {
  const Result result = tessera_in(with, words);
  EXPECT_EQ(result.exit_code, 1) << as_text(words) << result.err;
  EXPECT_THAT(result.err, HasSubstr("tessera: standard output: cannot write: " + reason));
}

TEST(Output, a_full_one_is_an_error_of_every_verb_that_prints) {
  for (const Words& words : {
           Words{"version"},
           Words{"--help"},
           Words{"run", "--help"},
           Words{"inspect", padded_executable()},
           Words{"inspect", padded_executable(), "--json"},
           run_words(), compile_to("full.popef"), Words{"compile", "--list_passes"}
  })
    expect_lost_output(with_output("/dev/full"), words, "No space left on device");
}

TEST(Output, a_pipe_that_nobody_reads_is_an_error_and_no_signal) {
  Surroundings with;
  with.reader_has_gone = true;
  expect_lost_output(with, {"version"}, "Broken pipe");
  expect_lost_output(with, {"inspect", padded_executable(), "--json"}, "Broken pipe");
}

TEST(Output, a_closed_one_is_an_error_and_nothing_is_written_into_another_file) {
  Surroundings with;
  with.closed = {STDIN_FILENO, STDOUT_FILENO};
  expect_lost_output(with, compile_to("closed.popef"), "Bad file descriptor");
  ASSERT_EQ(tessera(compile_to("open.popef")).exit_code, 0);
  EXPECT_EQ(read_file(path("closed.popef")), read_file(path("open.popef")));
}

TEST(Output, closed_errors_stop_nothing) {
  Surroundings with;
  with.closed = {STDERR_FILENO};
  for (const Words& words : commands())
    EXPECT_EQ(tessera_in(with, words).exit_code, tessera(words).exit_code) << as_text(words);
  EXPECT_EQ(tessera_in(with, {"run", "/no/such.popef"}).exit_code,
            tessera({"run", "/no/such.popef"}).exit_code);
}

TEST(Threads, more_than_any_host_has_are_a_usage_error) {
  const Result result =
      tessera({"run", padded_executable(), "--random", "yes", "--threads", "100000"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("threads: 100000, must be 0 (one per core) to 4096"));
}

// Stacks of 1 GiB where addresses end at 8.
Surroundings few_threads() {
  Surroundings with;
  with.limits = {
      {RLIMIT_STACK, 1024 * kMiB},
      {RLIMIT_AS,    8192 * kMiB}
  };
  return with;
}

TEST(Threads, that_cannot_be_had_are_an_error_that_says_how_many_can) {
  if (!kMemoryCanBeLimited) GTEST_SKIP() << "under a sanitizer memory cannot be limited";
  const Result result =
      tessera_in(few_threads(), {"run", padded_executable(), "--random", "yes", "--threads", "64"});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr("threads: 64, must be at most the "));
}

TEST(Threads, where_there_are_none_a_run_is_refused_and_a_compile_goes_on) {
  if (!kMemoryCanBeLimited) GTEST_SKIP() << "under a sanitizer memory cannot be limited";
  Surroundings none;
  none.limits = {
      {RLIMIT_STACK, 8192 * kMiB},
      {RLIMIT_AS,    2048 * kMiB}
  };
  const Result result = tessera_in(none, {"run", padded_executable(), "--random", "yes"});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr("Resource temporarily unavailable"));
  EXPECT_EQ(tessera_in(none, compile_to("no_threads.popef")).exit_code, 0);
}

Surroundings with_addresses(size_t bytes) {
  Surroundings with;
  with.limits = {
      {RLIMIT_AS, bytes}
  };
  return with;
}

// The memory of the dynamic loader and of libraries' initialisers: below it nothing of ours runs.
size_t bytes_to_start() {
  static const size_t bytes = [] {
    size_t mib = 64;
    while (mib < 4096 && tessera_in(with_addresses(mib * kMiB), {"version"}).exit_code != 0)
      mib += 2;
    return mib * kMiB;
  }();
  return bytes;
}

// From just enough to start to enough for all, in small steps.
int runs_without_memory(const Words& words) {
  int refused = 0;
  for (size_t more = 0; more <= 48; more += 2) {
    Surroundings with = with_addresses(bytes_to_start() + more * (kMiB + 13'000));
    with.environment = {
        {"TESSERA_OBJECT_CACHE", ""}
    };  // LLVM works each time
    const Result result = tessera_in(with, words);
    EXPECT_LT(result.exit_code, kSignal) << more << " MiB more:" << as_text(words) << result.err;
    EXPECT_TRUE(result.exit_code == 0 || !result.err.empty());
    refused += result.exit_code != 0;
    if (result.exit_code != 0) {
      EXPECT_THAT(result.err, HasSubstr("tessera: "));
    }
    EXPECT_THAT(result.err, ::testing::Not(HasSubstr("internal error")));
  }
  return refused;
}

TEST(Memory, that_cannot_be_had_is_an_error_of_compile_and_run) {
  if (!kMemoryCanBeLimited) GTEST_SKIP() << "under a sanitizer memory cannot be limited";
  runs_without_memory(compile_to("small.popef"));
  EXPECT_GT(runs_without_memory(run_words()), 0);
}

TEST(Memory, of_a_constant_that_is_too_large_is_an_error_that_says_so) {
  if (!kMemoryCanBeLimited) GTEST_SKIP() << "under a sanitizer memory cannot be limited";
  const std::string model = path("wide.onnx");
  ASSERT_EQ(
      tessera({"make-model", "--preset", "tiny", "--vocab", "2000000", "-o", model}).exit_code, 0);
  Surroundings with;
  with.limits = {
      {RLIMIT_AS, 600 * kMiB}
  };
  const Result result =
      tessera_in(with, {"compile", "--input_model", model, "--input_shape", "input_ids=1,16",
                        "--precision", "fp16", "--target", "test", "-o", path("wide.popef")});
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr("memory"));
}

TEST(Descriptors, that_run_out_are_an_error_of_every_verb_or_not_needed) {
  for (const Words& words : commands()) {
    for (const size_t most : {size_t{4}, size_t{5}, size_t{6}, size_t{8}, size_t{10}}) {
      Surroundings with;
      with.limits = {
          {RLIMIT_NOFILE, most}
      };
      const Result result = tessera_in(with, words);
      EXPECT_LT(result.exit_code, kSignal) << most << as_text(words) << result.err;
      if (result.exit_code != 0) {
        EXPECT_FALSE(result.err.empty()) << as_text(words);
      }
    }
  }
}

TEST(Environment, of_nonsense_changes_no_answer) {
  const std::string long_path = "/" + std::string(100'000, 'x');
  std::vector<Surroundings> all(8);
  all[0].unset = {"HOME", "XDG_CACHE_HOME", "TESSERA_OBJECT_CACHE", "PATH"};
  all[1].environment = {
      {"HOME",              ""},
      {"XDG_CACHE_HOME",    ""},
      {"TESSERA_CACHE_DIR", ""}
  };
  all[2].environment = {
      {"HOME",           "/\xff\xfe\x1b[2J"},
      {"XDG_CACHE_HOME", "relative"        }
  };
  all[3].environment = {
      {"HOME",           long_path},
      {"XDG_CACHE_HOME", long_path}
  };
  all[4].environment = {
      {"TESSERA_OBJECT_CACHE", long_path}
  };
  all[5].environment = {
      {"TESSERA_OBJECT_CACHE", "/dev/null/x"}
  };
  all[6].environment = {
      {"LC_ALL", "xx_YY.nonsense"},
      {"LANG",   "\xff"          },
      {"TERM",   "\x1b"          }
  };
  all[7].environment = {
      {"COLUMNS", "-99999999999999999999"},
      {"TZ",      ":/nonsense"           }
  };
  for (const Surroundings& with : all) {
    EXPECT_EQ(tessera_in(with, run_words()).exit_code, 0);
    EXPECT_EQ(tessera_in(with, compile_to("environment.popef")).exit_code, 0);
  }
}

TEST(Environment, a_working_folder_that_is_gone_is_no_reason_to_stop) {
  Surroundings with;
  with.in_folder = path("gone");
  for (const Words& words : commands())
    EXPECT_EQ(tessera_in(with, words).exit_code, 0) << as_text(words);
  const Result result = tessera_in(with, {"compile", "--input_model", tiny_model(), "--input_shape",
                                          "input_ids=4,16", "--target", "test", "-o", "x.popef"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("x.popef: cannot create: No such file or directory"));
}

TEST(Environment, a_path_that_is_not_utf8_is_compiled_inspected_and_run) {
  const std::string model = path("na\xefve\x1b.onnx"), executable = path("na\xefve.popef");
  write_file(model, read_file(tiny_model()));
  const Result compiled =
      tessera({"compile", "--input_model", model, "--input_shape", "input_ids=4,16", "--target",
               "test", "--json", "-o", executable});
  EXPECT_EQ(compiled.exit_code, 0) << compiled.err;
  const Result inspected = tessera({"inspect", executable, "--json"});
  EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
  EXPECT_THAT(inspected.out, HasSubstr("\"model\": \"main\""));
  EXPECT_EQ(tessera({"run", executable, "--random", "yes"}).exit_code, 0);
}

TEST(Words, that_are_empty_are_errors_of_every_verb) {
  for (const char* verb :
       {"compile", "run", "bench", "inspect", "recompiles", "convert", "make-model", "pack"}) {
    EXPECT_LT(tessera({verb, ""}).exit_code, kSignal) << verb;
    EXPECT_LT(tessera({verb, "", ""}).exit_code, kSignal) << verb;
  }
  EXPECT_EQ(tessera({"recompiles", "show", "", "events.jsonl"}).exit_code, 2);
}

}  // namespace
}  // namespace tessera::cli
