// SPDX-License-Identifier: Apache-2.0
// A kernel's machine code. It is made in four steps: read the codelet's bitcode, write the
// constants in place of the globals that it declares, optimise (branches on constants fall away
// here), emit an object.
#pragma once

#include <llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h>
#include <llvm/Support/MemoryBuffer.h>

#include <memory>
#include <string>

#include "codelets/codelet.h"
#include "support/expected.h"
#include "support/sha256.h"

namespace tessera {

struct KernelJob {
  const Codelet* codelet;
  std::string constants;
  Sha256 key;            // of everything that the object depends on
  std::string function;  // the specialisation's name, unique: from the key
};

// Each job has a context of LLVM's own, so that several threads may compile.
Expected<std::unique_ptr<llvm::MemoryBuffer>> compile_object(
    const KernelJob& job, llvm::orc::JITTargetMachineBuilder builder);

}  // namespace tessera
