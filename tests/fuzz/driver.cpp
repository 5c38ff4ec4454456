// SPDX-License-Identifier: Apache-2.0
// A target as an ordinary test, with any compiler: every file of the corpus, then mutations of them
// that depend on the seed alone. An input that fails is left in a file, which the message names.
//
//   fuzz_NAME CORPUS… [--mutations N] [--seconds S] [--seed N]     folders or single files
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/fuzz/target.h"

extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace tessera::fuzz {

std::string mutate_bytes(std::string_view input, Random& random) {
  std::string bytes(input);
  const size_t at = random.below(bytes.size() + 1);
  switch (bytes.empty() ? 1 : random.below(4)) {
    case 0: bytes.erase(at, 1 + random.below(8)); break;
    case 1: bytes.insert(at, 1 + random.below(4), static_cast<char>(random.next())); break;
    case 2: bytes.insert(at, bytes, random.below(bytes.size()), 1 + random.below(32)); break;
    default:
      if (at < bytes.size()) bytes[at] = static_cast<char>(random.next());
  }
  return bytes;
}

namespace {

namespace fs = std::filesystem;

std::string current;  // what runs now

void keep_current() {
  const std::string path =
      (fs::temp_directory_path() / ("tessera_fuzz_" + std::to_string(digest_of(current)))).string();
  std::ofstream(path, std::ios::binary) << current;
  std::fprintf(stderr, "==== the input is in %s\n", path.c_str());
}

void on_signal(int number) {
  keep_current();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

void run_one(std::string input) {
  current = std::move(input);
  run(current);
}

std::vector<std::string> corpus_of(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    if (!fs::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    for (const fs::directory_entry& entry : fs::directory_iterator(path))
      files.push_back(entry.path().string());
  }
  std::ranges::sort(files);
  std::vector<std::string> inputs;
  for (const std::string& path : files) {
    std::ifstream file(path, std::ios::binary);
    demand(static_cast<bool>(file), path + " cannot be read");
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

}  // namespace

int main(int count, char** words) {
  std::vector<std::string> paths;
  uint64_t mutations = 0, seconds = 0, seed = 1;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    uint64_t* const number = word == "--mutations" ? &mutations
                             : word == "--seconds" ? &seconds
                             : word == "--seed"    ? &seed
                                                   : nullptr;
    if (number == nullptr)
      paths.push_back(word);
    else if (i + 1 < count)
      *number = std::strtoull(words[++i], nullptr, 10);
  }
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL})
    std::signal(number, on_signal);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(keep_current);

  const std::vector<std::string> corpus = corpus_of(paths);
  demand(!corpus.empty(), "the corpus is empty");
  for (const std::string& input : corpus) run_one(input);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  uint64_t done = 0;
  for (; done < mutations; ++done) {
    if (seconds != 0 && std::chrono::steady_clock::now() > end) break;
    Random random(seed * 1'000'003 + done);
    std::string input = corpus[random.below(corpus.size())];
    for (size_t changes = 1 + random.below(4); changes > 0; --changes)
      input = random.one_in(16) ? mutate_bytes(input, random) : mutate(input, random);
    run_one(std::move(input));
  }
  std::printf("%zu files of the corpus, %llu mutations of them: %s\n", corpus.size(),
              static_cast<unsigned long long>(done), notes().c_str());
  return 0;
}

}  // namespace tessera::fuzz

int main(int count, char** words) { return tessera::fuzz::main(count, words); }
