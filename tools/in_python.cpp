// SPDX-License-Identifier: Apache-2.0
#include "tools/in_python.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "support/plain_text.h"
#include "tools/print.h"

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

}  // namespace tessera::tools
