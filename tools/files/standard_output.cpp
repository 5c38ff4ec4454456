// SPDX-License-Identifier: Apache-2.0
#include "tools/files/standard_output.h"

#include <unistd.h>

#include <filesystem>
#include <utility>

#include "support/file.h"
#include "tools/files/private_file.h"
#include "tools/flags/program_options.h"
#include "tools/print/print.h"

namespace tessera::tools {
namespace {

// Flags that name the file that a verb is for.
constexpr const char* kOutputs[] = {"output", "output_model"};

// The flag that is "-", and its word; null if none is.
std::pair<const char*, std::string*> word_to_replace(po::variables_map& flags) {
  for (const char* name : kOutputs)
    if (flags.count(name))
      if (auto* word = boost::any_cast<std::string>(&flags.at(name).value()); word && *word == "-")
        return {name, word};
  return {};
}

}  // namespace

StandardOutput::StandardOutput(std::unique_ptr<PrivateFile> file) : file_(std::move(file)) {}
StandardOutput::~StandardOutput() = default;

Expected<std::unique_ptr<StandardOutput>> StandardOutput::take(po::variables_map& flags,
                                                               const std::string& verb) {
  const auto [name, word] = word_to_replace(flags);
  if (!word) return std::unique_ptr<StandardOutput>();
  const auto refuse = [&](const char* why) {
    return Error{std::string("--") + name + " -: " + why, ErrorKind::Usage};
  };
  if (verb == "requests") return refuse("requests are many files, must be a folder");
  if (flags.count("json") && flags["json"].as<bool>())
    return refuse("is not together with --json, which prints there too");
  if (isatty(STDOUT_FILENO))
    return refuse("standard output is a terminal, must be a file or a pipe");
  std::unique_ptr<PrivateFile> file =
      TRY(PrivateFile::create("standard output", "standard_output"));
  *word = file->path();
  tell_on_stderr(file->path());
  return std::unique_ptr<StandardOutput>(new StandardOutput(std::move(file)));
}

Status StandardOutput::finish() {
  std::error_code error;
  if (!std::filesystem::exists(file_->path(), error)) return {};
  const auto written = TRY(MappedFile::open(file_->path()));
  const auto bytes = written->bytes();
  write_out({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return {};
}

}  // namespace tessera::tools
