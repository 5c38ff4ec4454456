// SPDX-License-Identifier: Apache-2.0
// A file in a folder of its own below the folder of temporary files, which nobody else can enter.
// Both go with this object; a signal removes them, too.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "support/expected.h"

namespace tessera::tools {

class PrivateFile {
 public:
  // The folder is made, the file is the caller's to write. `what` it is for begins an error.
  static Expected<std::unique_ptr<PrivateFile>> create(std::string_view what,
                                                       const std::string& file_name);
  ~PrivateFile();
  PrivateFile(const PrivateFile&) = delete;
  const std::string& path() const;

 private:
  PrivateFile();
  struct Held;
  std::unique_ptr<Held> held_;
};

}  // namespace tessera::tools
