// SPDX-License-Identifier: Apache-2.0
// The functions that compiled codelets may call.
#pragma once

#include <llvm/ExecutionEngine/Orc/LLJIT.h>

namespace tessera {

llvm::orc::SymbolMap runtime_symbols(llvm::orc::LLJIT& jit);

}  // namespace tessera
