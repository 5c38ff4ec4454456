// SPDX-License-Identifier: Apache-2.0
// Runs the program as a user does: words in, exit code and text out.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace tessera::cli {

// Exit codes, as docs/cli.md says.
inline constexpr int kError = 1, kUsage = 2, kRefused = 3, kOutOfMemory = 4, kBadFile = 5;

struct Result {
  int exit_code = -1;
  std::string out, err;
};

// The words of all verbs, in the order of help.
const std::vector<std::string>& verbs();

Result tessera(const std::vector<std::string>& words);
// Started, and not waited for; what it says is not kept.
pid_t start_tessera(const std::vector<std::string>& words);
// As tessera, where no file may grow past `bytes`: what a full disk looks like.
Result tessera_with_file_limit(const std::vector<std::string>& words, size_t bytes);

// The caller's part in a process, where it is not as usual.
struct Surroundings {
  std::vector<std::pair<int, size_t>> limits = {};  // RLIMIT_… and its value
  std::string in = {};                              // stdin comes from this file
  std::string out = {};                             // stdout goes here, and is not read back
  bool reader_has_gone = false;                     // stdout is a pipe that nobody reads
  std::vector<int> closed = {};                     // descriptors
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::vector<std::string> unset = {};  // of the environment
  std::string in_folder = {};           // working folder, which is removed
};
// exit_code is 128 and more where a signal ended the process.
Result tessera_in(const Surroundings& surroundings, const std::vector<std::string>& words);

std::string folder();                       // of this test program, removed at its end
std::string path(const std::string& name);  // in it
std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& bytes);
bool exists(const std::string& path);

// Made once: a tiny BERT, and executables of it on the four tiles of the test target.
std::string tiny_model();
std::string padded_executable();  // 4 rows of 16
std::string packed_executable();  // the same in form A, at most 12 requests
// .npy of int32.
void write_ints(const std::string& path, const std::vector<int32_t>& values,
                const std::vector<int64_t>& shape);
// A folder with the padded executable's three inputs.
std::string padded_inputs();

}  // namespace tessera::cli
