// SPDX-License-Identifier: Apache-2.0
// A process that can compute, and answer through what it holds open, and do nothing else: Landlock
// takes the file system and the network from it, and a seccomp filter leaves the system calls that
// computing needs. It is left with these: memory (code of the JIT included), threads of its own,
// the clock, and reading and writing the descriptors that it keeps.
//
// Both are kept by the kernel, for ever and for every thread that is started later. There is no
// half of it: a kernel that lacks either part gives an error.
#pragma once

#include <span>

#include "support/expected.h"

namespace tessera::tools {

// Whether this kernel has what enter_sandbox needs; asked before anything is prepared. Errors say
// which part it lacks.
Status check_sandbox();

// To be called while the process has one thread. Closes every descriptor but 0, 1, 2 and those of
// `keep`. After an error the process may be half locked up, and should end.
Status enter_sandbox(std::span<const int> keep);

}  // namespace tessera::tools
