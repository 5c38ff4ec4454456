// SPDX-License-Identifier: Apache-2.0
// "-" in place of a file that a verb reads: standard input, kept as a file while the verb works,
// because models, executables and logs are mapped or read more than once.
#pragma once

#include <boost/program_options.hpp>
#include <memory>

#include "support/expected.h"

namespace tessera::tools {

class PrivateFile;

class StandardInput {
 public:
  // Where one of the flags that name a file to read is "-", reads all of standard input and puts
  // the path of its file there. Usage errors: two of them, a terminal. `most` bytes at most.
  static Expected<std::unique_ptr<StandardInput>> take(boost::program_options::variables_map& flags,
                                                       size_t most);
  ~StandardInput();  // removes the file; a signal does, too
  StandardInput(const StandardInput&) = delete;

 private:
  explicit StandardInput(std::unique_ptr<PrivateFile> file);
  std::unique_ptr<PrivateFile> file_;
};

}  // namespace tessera::tools
