// SPDX-License-Identifier: Apache-2.0
// Where the tests find the sources, the build tree and models that others made. Defined in one
// source, so that the other ones compile to the same bytes in every folder that they stand in.
#pragma once

#include <filesystem>
#include <string>

namespace tessera::test {

std::string source_dir();
std::string build_dir();
// $TESSERA_SHARED, or the folder `shared` beside the sources; it may not be there.
std::filesystem::path shared_dir();

}  // namespace tessera::test
