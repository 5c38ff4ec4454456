// SPDX-License-Identifier: Apache-2.0
// Arrays in one file in place of a folder: .npz archives, and the standard streams as "-". A path
// in the folder is the name of an entry of the archive.
#pragma once

#include <string>

#include "support/expected.h"
#include "support/limits.h"
#include "tools/files/npz.h"
#include "tools/files/tensors.h"
#include "tools/sandbox/sandboxed.h"

namespace tessera::tools {

// "-", or a name that ends with .npz. Everything else is a folder.
bool is_archive(const std::string& path);

// An archive of a file, or of standard input: within limits.memory. Usage error: standard input is
// a terminal.
Expected<NpzArrays> read_archive(const std::string& path, const Limits& limits);
// Reads "PATH/ENTRY" out of an archive that was read from `path`. `arrays` must outlive it.
ReadArray read_from(const NpzArrays& arrays, const std::string& path);

// A line about the work, where arrays may have standard output for themselves.
void tell(const std::string& line, bool on_stderr);

// Where a verb's arrays go: a folder, an archive, standard output, or "": nowhere.
class ArrayOutputs {
 public:
  explicit ArrayOutputs(std::string path) : path_(std::move(path)) {}
  // Whether they can be written, asked before the work. Usage error: "-" is a terminal.
  Status check() const;
  // Arrays by the names of their files, as write_outputs takes them. `folder` is the path or lies
  // in it. An archive keeps them until `finish`.
  Status write(const Arrays& arrays, const std::string& folder);
  // Writes the archive, if there are arrays for it.
  Status finish();
  // Messages about the work do not go where the arrays go.
  bool on_stdout() const { return path_ == "-"; }

 private:
  std::string path_;
  NpzArrays kept_;
};

}  // namespace tessera::tools
