// SPDX-License-Identifier: Apache-2.0
// The LLVM and the processor that codelets are compiled with and for, for people who ask.
#pragma once

#include <string>
#include <vector>

namespace tessera {

struct JitHost {
  std::string llvm;                   // its version
  std::string triple, cpu;            // LLVM's names of this host; codelets are compiled for them
  std::vector<std::string> features;  // that the CPU has, sorted
};
JitHost jit_host();

}  // namespace tessera
