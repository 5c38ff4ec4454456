// SPDX-License-Identifier: Apache-2.0
// The body of add_dots_of_bytes (codelets/bytes.tile.h) for the CPU that is compiled for. Whatever
// the instructions are, the sums are the same: every product and sum is exact.
#pragma once

#include <llvm/IR/Module.h>
#include <llvm/MC/MCSubtargetInfo.h>

namespace tessera {

// Nothing where the module does not call it.
void define_dots_of_bytes(llvm::Module& module, const llvm::MCSubtargetInfo& cpu, bool is_x86);

}  // namespace tessera
