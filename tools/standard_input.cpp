// SPDX-License-Identifier: Apache-2.0
#include "tools/standard_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/descriptor.h"
#include "support/file.h"
#include "support/temporary.h"
#include "tools/verb.h"

namespace tessera::tools {
namespace fs = std::filesystem;
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

struct StandardInput::Held {
  Descriptor parent, folder;
  std::string folder_name, file_name, path;
  std::optional<RemovedBySignal> folder_removed, file_removed;

  Status write(std::string_view bytes) {
    std::error_code error;
    const fs::path temporary = fs::temp_directory_path(error);
    if (error) return Error{"standard input: no folder for its file: " + error.message()};
    std::string pattern = (temporary / "tessera-XXXXXX").string();
    if (!::mkdtemp(pattern.data()))
      return Error{fmt::format("{}: cannot create: {}", pattern, std::strerror(errno))};
    folder_name = fs::path(pattern).filename();
    parent = Descriptor(::open(temporary.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
    folder = Descriptor(::open(pattern.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
    file_name = name_for(bytes);
    path = pattern + "/" + file_name;
    folder_removed.emplace(parent.get(), folder_name, RemovedBySignal::Kind::Folder);
    file_removed.emplace(folder.get(), file_name);
    return write_file_atomic(path, bytes, Sync::No);
  }

  ~Held() {
    std::error_code ignored;
    if (!path.empty()) fs::remove_all(fs::path(path).parent_path(), ignored);
  }
};

StandardInput::StandardInput() : held_(std::make_unique<Held>()) {}
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
  std::unique_ptr<StandardInput> input(new StandardInput());
  TRY(input->held_->write(bytes));
  *words[0] = input->held_->path;
  return input;
}

}  // namespace tessera::tools
