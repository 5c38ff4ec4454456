// SPDX-License-Identifier: Apache-2.0
// "-" in place of the file that a verb writes: standard output. The verb writes a file, because
// files are renamed once they are whole, and its bytes are copied when it is done. The verb's
// messages go to stderr meanwhile.
#pragma once

#include <boost/program_options.hpp>
#include <memory>
#include <string>

#include "support/expected.h"

namespace tessera::tools {

class PrivateFile;

class StandardOutput {
 public:
  // Where the flag that names the file to write is "-", puts the path of a private file there. Null
  // if it is not. Usage errors: a verb that writes a folder, a terminal, --json beside it.
  static Expected<std::unique_ptr<StandardOutput>> take(
      boost::program_options::variables_map& flags, const std::string& verb);
  ~StandardOutput();
  StandardOutput(const StandardOutput&) = delete;
  // Copies what the verb wrote; nothing, if it wrote nothing.
  Status finish();

 private:
  explicit StandardOutput(std::unique_ptr<PrivateFile> file);
  std::unique_ptr<PrivateFile> file_;
};

}  // namespace tessera::tools
