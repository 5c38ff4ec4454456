// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/target.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "tests/helpers/temp_folder.h"

namespace tessera::fuzz {
namespace {

// In memory where that may be: each execution writes a file or two.
std::string place_for_files() {
  if (::access("/dev/shm", W_OK) == 0) return "/dev/shm";
  return std::filesystem::temp_directory_path();
}

std::map<std::string, int64_t> counts;

}  // namespace

void note(const std::string& what) { ++counts[what]; }

std::string notes() {
  std::string text;
  for (const auto& [what, count] : counts)
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + what;
  return text;
}

void demand(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "\n==== found: %s\n", what.c_str());
  std::abort();
}

const std::string& folder() {
  static const TempFolder folder(place_for_files());
  return folder.path();
}

std::string file_of(std::string_view bytes, const std::string& ending) {
  const std::string path = folder() + "/input" + ending;
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return path;
}

Limits small_limits() {
  Limits limits;
  limits.time = 10;
  limits.memory = int64_t{256} << 20;
  limits.model_bytes = int64_t{4} << 20;
  limits.messages = int64_t{1} << 16;
  limits.nodes = 512;
  limits.vertices = 4096;
  limits.kernels = 24;
  limits.kernel_steps = 256;
  return limits;
}

uint64_t digest_of(std::string_view bytes) {
  uint64_t digest = 0xcbf29ce484222325;
  for (const char byte : bytes) digest = (digest ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  return digest;
}

}  // namespace tessera::fuzz
