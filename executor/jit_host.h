// SPDX-License-Identifier: Apache-2.0
// What codelets are compiled with and for, for people who want to know.
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
