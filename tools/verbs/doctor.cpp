// SPDX-License-Identifier: Apache-2.0
// tessera doctor: whether an installation has what it needs and may use, and what to do where not.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "executor/host_tuning.h"
#include "executor/jit_host.h"
#include "executor/machine.h"
#include "session/session.h"
#include "support/human.h"
#include "support/plain_text.h"
#include "support/private_folder.h"
#include "tools/print/print.h"
#include "tools/sandbox/sandbox.h"
#include "tools/verbs/in_python.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

using Json = nlohmann::ordered_json;

// A Problem stands against work that Tessera does; a Note is about what one may do without.
enum class State : uint8_t { Fine, Note, Problem };

struct Finding {
  const char* of;
  State state;
  std::string is;          // what was found
  std::string to_do = {};  // "" where it is fine
};

const char* word_of(State state) {
  switch (state) {
    case State::Fine: return "ok";
    case State::Note: return "note";
    case State::Problem: return "problem";
  }
  return "";
}

Finding processor() {
  const JitHost host = jit_host();
  std::string vectors;
  for (const char* feature : {"sse4.2", "avx2", "fma", "f16c", "avx512f", "neon"})
    if (std::ranges::binary_search(host.features, feature))
      vectors += fmt::format("{}{}", vectors.empty() ? "" : " ", feature);
  return {"processor", State::Fine,
          fmt::format("{} by LLVM {}, {} threads, {}", host.cpu, host.llvm,
                      std::thread::hardware_concurrency(),
                      vectors.empty() ? "no vector instructions that LLVM names" : vectors)};
}

Finding folder(const char* of, const std::string& path, const char* variable) {
  const Expected<PrivateFolder> opened = PrivateFolder::open(path);
  if (!opened)
    return {of, State::Problem, opened.error().message,
            fmt::format("mend the folder, or name another: {}=FOLDER", variable)};
  int64_t bytes = 0;
  const std::vector<PrivateFolder::Entry> entries = opened->by_age();
  for (const PrivateFolder::Entry& entry : entries) bytes += entry.bytes;
  if (::faccessat(opened->descriptor(), ".", W_OK, AT_EACCESS) != 0)
    return {of, State::Problem, path + ": cannot be written",
            fmt::format("let its owner write, or name another: {}=FOLDER", variable)};
  return {of, State::Fine,
          fmt::format("{}: {} entries, {}", path, entries.size(), human_bytes(bytes))};
}

Finding codelets() {
  const std::string path = default_object_cache();
  if (!path.empty()) return folder("compiled codelets", path, "TESSERA_OBJECT_CACHE");
  return {"compiled codelets", State::Note, "are not kept: each process compiles them again",
          "set TESSERA_OBJECT_CACHE=FOLDER, or HOME"};
}

Finding tuning() {
  const std::string path = default_object_cache();
  const auto blocks = read_tuning(path, "");
  if (blocks)
    return {"tuning", State::Fine,
            fmt::format("products in blocks of {} rows by {} terms", blocks->rows, blocks->terms)};
  return {"tuning", State::Note, "products are blocked as usual",
          "tessera tune measures this host"};
}

Finding executables() {
  const std::string path = default_executable_cache();
  if (!path.empty()) return folder("executables", path, "TESSERA_CACHE_DIR");
  return {"executables", State::Note, "sessions keep none on disk",
          "give sessions --cache_dir FOLDER, or set TESSERA_CACHE_DIR=FOLDER"};
}

Finding temporary() {
  std::error_code error;
  const std::string path = std::filesystem::temp_directory_path(error).string();
  if (!error && ::access(path.c_str(), W_OK | X_OK) == 0)
    return {"temporary files", State::Fine, path};
  return {"temporary files", State::Problem,
          (path.empty() ? "there is no folder for them" : path + ": cannot be written"),
          "set TMPDIR=FOLDER to one that can be"};
}

Finding descriptors() {
  rlimit limit{};
  constexpr rlim_t kEnough = 256;
  const bool known = ::getrlimit(RLIMIT_NOFILE, &limit) == 0;
  if (!known || limit.rlim_cur >= kEnough)
    return {"open files", State::Fine,
            known ? fmt::format("at most {}", limit.rlim_cur) : "without a known limit"};
  return {"open files", State::Note, fmt::format("at most {}", limit.rlim_cur),
          fmt::format("raise the limit: ulimit -n {}", kEnough)};
}

Finding sandbox() {
  const Status status = check_sandbox();
  if (status.ok()) return {"sandbox", State::Fine, "this kernel gives run --sandbox what it needs"};
  return {"sandbox", State::Note, status.error().message,
          "run strangers' executables in a container or a virtual machine instead"};
}

struct Package {
  const char* name;
  const char* of;
  const char* use;
};
constexpr std::array<Package, 5> kPackages = {
    {{"tessera", "Python: tessera", "sweep and text, and for Python's own programs"},
     {"numpy", "Python: numpy", "the package tessera"},
     {"onnxruntime", "Python: onnxruntime", "check --reference onnxruntime"},
     {"tokenizers", "Python: tokenizers", "text, and requests of text"},
     {"onnx", "Python: onnx", "models that Python changes before they are compiled"}}
};

// Its own version, then of each package a line: its version, or nothing. A folder with a package's
// name where the program was started is not the package.
std::string version_program() {
  std::string names;
  for (const Package& package : kPackages) names += fmt::format("'{}', ", package.name);
  return fmt::format(R"(import sys
sys.path = [place for place in sys.path if place]
from importlib import metadata
print("%d.%d.%d" % sys.version_info[:3])
for name in [{}]:
    try:
        print(metadata.version(name))
    except metadata.PackageNotFoundError:
        print()
)",
                     names);
}

Finding package_finding(const Package& package, const std::string& version,
                        const std::string& python) {
  if (!version.empty()) return {package.of, State::Fine, version};
  const bool ours = std::string_view(package.name) == "tessera";
  return {package.of, State::Note, fmt::format("{} does not have it: for {}", python, package.use),
          ours ? "install a wheel of scripts/wheel, or pip install . in Tessera's source"
               : fmt::format("{} -m pip install {}", python, package.name)};
}

// The Python that carries out verbs, and what it has.
std::vector<Finding> pythons() {
  const std::string python = visible(python_program());
  const Expected<std::string> printed = printed_by_python(version_program());
  std::istringstream lines(printed ? *printed : "");
  std::string line;
  std::getline(lines, line);
  if (line.empty())
    return {
        {"Python", State::Note,
         printed ? python + ": is not a Python of version 3.9 or later" : printed.error().message,
         "for sweep, text and check --reference onnxruntime: install Python 3.9 or later, or "
         "name it: TESSERA_PYTHON=FILE"}
    };
  std::vector<Finding> findings = {
      {"Python", State::Fine, fmt::format("{}, version {}", python, line)}
  };
  for (const Package& package : kPackages) {
    line.clear();
    std::getline(lines, line);
    findings.push_back(package_finding(package, line, python));
  }
  return findings;
}

po::options_description doctor_flags() {
  po::options_description flags("Examining");
  flags.add_options()("json", po::bool_switch(), "print the findings as JSON");
  return flags;
}

void print_findings(const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    print("{:<8} {:<20} {}\n", word_of(finding.state), finding.of, finding.is);
    if (!finding.to_do.empty()) print("{:<30}{}\n", "", finding.to_do);
  }
}

Json to_json(const std::vector<Finding>& findings) {
  Json all = Json::array();
  for (const Finding& finding : findings)
    all.push_back({
        {"of",    finding.of            },
        {"state", word_of(finding.state)},
        {"is",    finding.is            },
        {"to_do", finding.to_do         }
    });
  return {
      {"schema",   "tessera-doctor/1"},
      {"findings", all               }
  };
}

Status do_doctor(const po::variables_map& flags) {
  std::vector<Finding> findings = {processor(), codelets(),    tuning(), executables(),
                                   temporary(), descriptors(), sandbox()};
  for (Finding& finding : pythons()) findings.push_back(std::move(finding));
  if (flags["json"].as<bool>())
    print_json(to_json(findings), 2);
  else
    print_findings(findings);
  const auto problems = std::ranges::count(findings, State::Problem, &Finding::state);
  if (problems == 0) return {};
  return Error{fmt::format("doctor: {} of these must be mended", problems)};
}

}  // namespace

Verb doctor_verb() {
  return {"look whether this installation has what it needs, and say what to do",
          "[--json]",
          "tessera doctor",
          doctor_flags,
          nullptr,
          do_doctor};
}

}  // namespace tessera::tools
