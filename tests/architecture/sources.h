// SPDX-License-Identifier: Apache-2.0
// The sources of the tree, for tests that read them.
#pragma once

#include <functional>
#include <set>
#include <string>

namespace tessera::test {

// The folders of the tree that are built: "bench", "check", ….
std::set<std::string> built_folders();

// Calls see(path from the source folder, text) for each .cpp and .h file of `folders`.
void for_each_source(const std::set<std::string>& folders,
                     const std::function<void(const std::string&, const std::string&)>& see);

}  // namespace tessera::test
