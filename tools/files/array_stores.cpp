// SPDX-License-Identifier: Apache-2.0
#include "tools/files/array_stores.h"

#include <fmt/format.h>
#include <unistd.h>

#include <span>

#include "support/file.h"
#include "support/file_names.h"
#include "tools/files/outputs.h"
#include "tools/print/print.h"

namespace tessera::tools {

bool is_archive(const std::string& path) { return path == "-" || path.ends_with(".npz"); }

Expected<NpzArrays> read_archive(const std::string& path, const Limits& limits) {
  if (path != "-") return read_npz(path, limits.memory);
  if (isatty(STDIN_FILENO))
    return Error{"-: standard input is a terminal, must be a .npz archive", ErrorKind::Usage};
  const std::string bytes =
      TRY(read_text(STDIN_FILENO, "standard input", static_cast<size_t>(limits.memory)));
  return npz_from(std::as_bytes(std::span(bytes)), "standard input", limits.memory);
}

ReadArray read_from(const NpzArrays& arrays, const std::string& path) {
  return [&arrays, begin = path + "/"](const std::string& whole) -> Expected<NpyArray> {
    const auto found =
        whole.starts_with(begin) ? arrays.find(whole.substr(begin.size())) : arrays.end();
    if (found != arrays.end()) return found->second;
    return Error{whole + ": is not there, must be a tensor of the archive"};
  };
}

void tell(const std::string& line, bool on_stderr) {
  if (on_stderr)
    print_error("{}\n", line);
  else
    print("{}\n", line);
}

Status ArrayOutputs::check() const {
  if (!is_archive(path_)) return check_output_folder(path_);
  if (!on_stdout()) return check_output_file(path_);
  if (isatty(STDOUT_FILENO))
    return Error{"--outputs -: standard output is a terminal, must be a file or a pipe",
                 ErrorKind::Usage};
  return {};
}

Status ArrayOutputs::write(const Arrays& arrays, const std::string& folder) {
  if (!is_archive(path_)) return write_outputs(arrays, folder);
  std::string in_archive = folder.substr(std::min(path_.size() + 1, folder.size()));
  if (!in_archive.empty()) in_archive += "/";
  for (const auto& [file, array] : arrays) {
    if (!is_tensor_file(file))
      return Error{fmt::format("{}: '{}' must be the name of a tensor's file", folder, file)};
    kept_[in_archive + file] = array;
  }
  return {};
}

Status ArrayOutputs::finish() {
  if (kept_.empty()) return {};
  const std::string bytes = TRY(npz_of(kept_));
  if (!on_stdout()) return write_file_atomic(path_, bytes);
  write_out(bytes);
  return {};
}

}  // namespace tessera::tools
