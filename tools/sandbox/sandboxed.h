// SPDX-License-Identifier: Apache-2.0
// Work on a stranger's file in a process of its own that is locked up (sandbox.h) before it looks
// at the first byte. Its inputs are opened or read before, in the process that it is forked from;
// its answers come back through pipes, and this process, which trusts none of them, writes them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "support/expected.h"
#include "support/limits.h"
#include "support/npy.h"

namespace tessera::tools {

using Arrays = std::map<std::string, NpyArray>;
// Where answers go: write_outputs (tensors.h), or the pipe out of a sandbox.
using WriteOutputs = std::function<Status(const Arrays& arrays, const std::string& folder)>;

// Forks; `work` runs in the sandbox, what it prints appears on this process's stdout and stderr,
// and its Status is the result. `write` is called out here, with arrays that were checked and a
// folder of `folders`, with each at most once; those of one folder take at most limits.memory.
// Errors: a kernel that has no sandbox (then nothing has run), and a process that the system ended.
//
// To be called while the process has one thread.
Status run_in_sandbox(const std::vector<std::string>& folders, const Limits& limits,
                      const WriteOutputs& write,
                      const std::function<Status(const WriteOutputs& write)>& work);

}  // namespace tessera::tools
