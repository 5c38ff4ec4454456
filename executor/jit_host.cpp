// SPDX-License-Identifier: Apache-2.0
#include "executor/jit_host.h"

#include <llvm/ADT/StringMap.h>
#include <llvm/ADT/StringRef.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/TargetParser/Host.h>

#include <algorithm>

namespace tessera {

JitHost jit_host() {
  JitHost host{.llvm = LLVM_VERSION_STRING,
               .triple = llvm::sys::getProcessTriple(),
               .cpu = llvm::sys::getHostCPUName().str(),
               .features = {}};
  for (const auto& feature : llvm::sys::getHostCPUFeatures())
    if (feature.second) host.features.push_back(feature.first().str());
  std::ranges::sort(host.features);
  return host;
}

}  // namespace tessera
