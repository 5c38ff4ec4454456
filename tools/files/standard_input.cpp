// SPDX-License-Identifier: Apache-2.0
#include "tools/files/standard_input.h"

#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/file.h"
#include "tools/files/private_file.h"
#include "tools/flags/program_options.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

// Flags that name one file to read, and those that name several. `run --inputs` is not among them:
// there "-" is an archive, of which the verb knows more.
constexpr const char* kOne[] = {"input_model", "executable", "model"};
constexpr const char* kSeveral[] = {"words", "files", "executables"};

// The words that are "-", to be replaced.
std::vector<std::string*> words_to_replace(po::variables_map& flags) {
  std::vector<std::string*> found;
  for (const char* name : kOne)
    if (flags.count(name))
      if (auto* word = boost::any_cast<std::string>(&flags.at(name).value()); word && *word == "-")
        found.push_back(word);
  for (const char* name : kSeveral)
    if (flags.count(name))
      if (auto* words = boost::any_cast<Words>(&flags.at(name).value()))
        for (std::string& word : *words)
          if (word == "-") found.push_back(&word);
  return found;
}

// Verbs know some kinds by the end of the name.
std::string name_for(std::string_view bytes) {
  if (bytes.starts_with("TESSPOPF")) return "standard_input.popef";
  if (bytes.starts_with('{')) return "standard_input.jsonl";
  if (bytes.starts_with("\x93NUMPY")) return "standard_input.npy";
  if (bytes.starts_with("length,")) return "standard_input.csv";
  return "standard_input.onnx";
}

}  // namespace

StandardInput::StandardInput(std::unique_ptr<PrivateFile> file) : file_(std::move(file)) {}
StandardInput::~StandardInput() = default;

Expected<std::unique_ptr<StandardInput>> StandardInput::take(po::variables_map& flags,
                                                             size_t most) {
  const std::vector<std::string*> words = words_to_replace(flags);
  if (words.empty()) return std::unique_ptr<StandardInput>();
  if (words.size() > 1)
    return Error{"-: is there twice, and standard input can be read once", ErrorKind::Usage};
  if (isatty(STDIN_FILENO))
    return Error{"-: standard input is a terminal, must be a file or a pipe", ErrorKind::Usage};
  const std::string bytes = TRY(read_text(STDIN_FILENO, "standard input", most));
  std::unique_ptr<PrivateFile> file = TRY(PrivateFile::create("standard input", name_for(bytes)));
  TRY(write_file_atomic(file->path(), bytes, Sync::No));
  *words[0] = file->path();
  return std::unique_ptr<StandardInput>(new StandardInput(std::move(file)));
}

}  // namespace tessera::tools
