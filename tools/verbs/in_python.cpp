// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/in_python.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "support/descriptor.h"
#include "support/plain_text.h"
#include "tools/print/print.h"

namespace tessera::tools {
namespace {

// As `python3 -m tessera`, but files of the current folder are not taken for Python's own modules.
constexpr const char* kStart = R"(import sys
if sys.path and not sys.path[0]:
    del sys.path[0]
try:
    from tessera.__main__ import main
except ImportError as error:
    sys.exit(f"tessera {sys.argv[1]}: {sys.executable}: {error}; this verb is carried out by the "
             "Python package tessera, which must be installed there, with NumPy (pip install . in "
             "Tessera's source; docs/python.md has other ways), or name another Python in "
             "TESSERA_PYTHON")
sys.exit(main("tessera"))
)";

}  // namespace

std::string python_program() {
  const char* named = std::getenv("TESSERA_PYTHON");
  if (named && *named) return named;
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string beside = error ? "" : (self.parent_path() / "python3").string();
  return !beside.empty() && ::access(beside.c_str(), X_OK) == 0 ? beside : "python3";
}

Status run_in_python(const std::string& verb, const std::vector<std::string>& words) {
  const std::string python = python_program();
  std::vector<std::string> all = {python, "-c", kStart, verb};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> arguments;
  for (std::string& word : all) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  (void)output_error();  // flushed: what Python prints comes after it
  ::execvp(python.c_str(), arguments.data());
  return Error{
      fmt::format("tessera {}: {}: cannot be started: {}; this verb is carried out by "
                  "Python, must be 3.9 or later with the package tessera "
                  "(docs/python.md), on the path or named by TESSERA_PYTHON",
                  verb, visible(python), std::strerror(errno))};
}

// Without a shell, which a container may not have.
Expected<std::string> printed_by_python(const std::string& program) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return Error{fmt::format("a pipe: {}", std::strerror(errno))};
  Descriptor printed(ends[0]);
  Descriptor prints(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, prints.get(), STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  const std::string python = python_program();
  std::array<std::string, 3> words = {python, "-c", program};
  std::array<char*, 4> arguments = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t child = 0;
  const int failed =
      ::posix_spawnp(&child, python.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  prints.close();
  std::string text;
  std::array<char, 4096> part{};
  for (ssize_t got; failed == 0; text.append(part.data(), static_cast<size_t>(got))) {
    got = ::read(printed.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR)
      got = 0;
    else if (got <= 0)
      break;
  }
  printed.close();
  if (failed != 0)
    return Error{fmt::format("{}: cannot be started: {}", visible(python), std::strerror(failed))};
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return text;
}

}  // namespace tessera::tools
