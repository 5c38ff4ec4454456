// SPDX-License-Identifier: Apache-2.0
// Writing executables in other ways than write_popef (popef.h): without waiting for the disk, or in
// a folder that is open already, as a cache's is, which others may rename.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "program/popef.h"
#include "support/expected.h"
#include "support/file.h"

namespace tessera {

Expected<uint64_t> write_popef(Executable& executable, const std::string& path, Sync sync);
// `path` is for messages.
Expected<uint64_t> write_popef_in(Executable& executable, int folder, const std::string& name,
                                  const std::string& path, Sync sync, mode_t mode);

}  // namespace tessera
