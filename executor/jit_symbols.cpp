// SPDX-License-Identifier: Apache-2.0
#include "executor/jit_symbols.h"

#include <cmath>
#include <cstring>

// Compiled code may call these on hosts without the instruction: libgcc's conversions of halves.
extern "C" void __extendhfsf2();
extern "C" void __truncsfhf2();

namespace tessera {

llvm::orc::SymbolMap runtime_symbols(llvm::orc::LLJIT& jit) {
  llvm::orc::SymbolMap symbols;
  const auto add = [&](const char* name, auto* function) {
    symbols[jit.mangleAndIntern(name)] = {llvm::orc::ExecutorAddr::fromPtr(function),
                                          llvm::JITSymbolFlags::Exported};
  };
  add("memcpy", static_cast<void* (*)(void*, const void*, size_t)>(&std::memcpy));
  add("memmove", static_cast<void* (*)(void*, const void*, size_t)>(&std::memmove));
  add("memset", static_cast<void* (*)(void*, int, size_t)>(&std::memset));
  add("fmaf", static_cast<float (*)(float, float, float)>(&::fmaf));
  add("floorf", static_cast<float (*)(float)>(&::floorf));
  add("truncf", static_cast<float (*)(float)>(&::truncf));
  add("__extendhfsf2", &__extendhfsf2);
  add("__truncsfhf2", &__truncsfhf2);
  return symbols;
}

}  // namespace tessera
