// SPDX-License-Identifier: Apache-2.0
// Whether results can be written, asked before the work that makes them: minutes of it must not end
// with a folder that is not there.
#pragma once

#include <string>

#include "support/expected.h"

namespace tessera::tools {

// A file is to be written there: its folder is there and can be written to, and it is not a folder
// itself. Errors name the path.
Status check_output_file(const std::string& path);
// A folder is to be written there, made if need be. "": nothing is written.
Status check_output_folder(const std::string& path);

}  // namespace tessera::tools
