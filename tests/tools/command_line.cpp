// SPDX-License-Identifier: Apache-2.0
#include "tests/tools/command_line.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>

#include "support/npy.h"
#include "tests/helpers/paths.h"
#include "tests/helpers/temp_folder.h"

namespace tessera::cli {
namespace fs = std::filesystem;
namespace {

// In the child. A failure here must not be taken for an answer of the program.
void surround(const Surroundings& with) {
  if (with.reader_has_gone) {
    int ends[2];
    if (pipe(ends) != 0 || dup2(ends[1], STDOUT_FILENO) < 0) _exit(126);
    close(ends[0]);
    close(ends[1]);
    signal(SIGPIPE, SIG_DFL);
  }
  if (!with.in_folder.empty() &&
      (mkdir(with.in_folder.c_str(), 0700) != 0 || chdir(with.in_folder.c_str()) != 0 ||
       rmdir(with.in_folder.c_str()) != 0))
    _exit(126);
  if (!with.in.empty() && !freopen(with.in.c_str(), "r", stdin)) _exit(126);
  for (const std::string& name : with.unset) unsetenv(name.c_str());
  for (const auto& [name, value] : with.environment) setenv(name.c_str(), value.c_str(), 1);
  for (const int descriptor : with.closed) close(descriptor);
  for (const auto& [resource, value] : with.limits) {
    const rlimit limit{value, value};
    if (setrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) _exit(126);
  }
}

[[noreturn]] void become_tessera(const std::vector<std::string>& words, const Surroundings& with,
                                 const std::string& out, const std::string& err) {
  if (!freopen(out.c_str(), "w", stdout) || !freopen(err.c_str(), "w", stderr)) _exit(126);
  const std::string program = tessera::test::build_dir() + "/bin/tessera";
  std::vector<char*> arguments{const_cast<char*>(program.c_str())};
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  surround(with);
  execv(program.c_str(), arguments.data());
  _exit(127);
}

std::string make_executable(const std::string& name, const std::vector<std::string>& more) {
  const std::string file = path(name);
  std::vector<std::string> words = {"compile",
                                    "--input_model",
                                    tiny_model(),
                                    "--input_shape",
                                    "input_ids=4,16",
                                    "--target",
                                    "test",
                                    "-o",
                                    file};
  words.insert(words.end(), more.begin(), more.end());
  const Result result = tessera(words);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return file;
}

}  // namespace

const std::vector<std::string>& verbs() {
  static const std::vector<std::string> words = {
#define VERB(name, word, source) word,
#include "tools/verbs/verbs.def"
#undef VERB
  };
  return words;
}

Result tessera_in(const Surroundings& surroundings, const std::vector<std::string>& words) {
  static int calls = 0;
  const std::string out = path("out" + std::to_string(calls)),
                    err = path("err" + std::to_string(calls));
  ++calls;
  const pid_t child = fork();
  if (child == 0)
    become_tessera(words, surroundings, surroundings.out.empty() ? out : surroundings.out, err);
  int status = 0;
  waitpid(child, &status, 0);
  Result result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.out = read_file(out);
  result.err = read_file(err);
  return result;
}

Result tessera_with_file_limit(const std::vector<std::string>& words, size_t bytes) {
  Surroundings full;
  full.limits = {
      {RLIMIT_FSIZE, bytes}
  };
  return tessera_in(full, words);
}

pid_t start_tessera(const std::vector<std::string>& words) {
  const pid_t child = fork();
  if (child == 0) become_tessera(words, {}, "/dev/null", "/dev/null");
  return child;
}

Result tessera(const std::vector<std::string>& words) { return tessera_in({}, words); }

std::string folder() {
  static const TempFolder folder;
  return folder.path();
}

std::string path(const std::string& name) { return folder() + "/" + name; }

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

bool exists(const std::string& path) { return fs::exists(path); }

std::string tiny_model() {
  static const std::string file = [] {
    const std::string model = path("tiny.onnx");
    const Result result = tessera({"make-model", "--preset", "tiny", "-o", model});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return model;
  }();
  return file;
}

std::string padded_executable() {
  static const std::string file = make_executable("padded.popef", {});
  return file;
}

std::string packed_executable() {
  static const std::string file =
      make_executable("packed.popef", {"--pack_args", "max_valid_num=12", "segment_max_size=16"});
  return file;
}

void write_ints(const std::string& path, const std::vector<int32_t>& values,
                const std::vector<int64_t>& shape) {
  NpyArray array{"<i4", shape, std::vector<std::byte>(values.size() * 4)};
  std::ranges::copy(std::as_bytes(std::span(values)), array.bytes.begin());
  fs::create_directories(fs::path(path).parent_path());
  const Status written = write_npy(path, array);
  EXPECT_TRUE(written.ok()) << written.error().message;
}

std::string padded_inputs() {
  static const std::string inputs = [] {
    const std::string at = path("inputs");
    write_ints(at + "/input_ids.npy", std::vector<int32_t>(64, 5), {4, 16});
    write_ints(at + "/attention_mask.npy", std::vector<int32_t>(64, 1), {4, 16});
    write_ints(at + "/token_type_ids.npy", std::vector<int32_t>(64, 0), {4, 16});
    return at;
  }();
  return inputs;
}

}  // namespace tessera::cli
