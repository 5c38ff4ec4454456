// SPDX-License-Identifier: Apache-2.0
#include "executor/jit_object.h"

#include <fmt/format.h>
#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/SmallVectorMemoryBuffer.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Transforms/IPO/GlobalDCE.h>
#include <llvm/Transforms/IPO/ModuleInliner.h>
#include <llvm/Transforms/IPO/SCCP.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/GVN.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/LoopRotation.h>
#include <llvm/Transforms/Scalar/LoopUnrollPass.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>

#include "codelets/abi.h"
#include "executor/jit_dots.h"
#include "executor/jit_errors.h"

namespace tessera {
namespace {

HostVectors vectors_of(const llvm::TargetMachine& machine) {
  const llvm::MCSubtargetInfo& cpu = *machine.getMCSubtargetInfo();
  if (!machine.getTargetTriple().isX86()) return {.bytes = 16, .count = 32};
  if (cpu.checkFeatures("+avx512f")) return {.bytes = 64, .count = 32};
  return {.bytes = cpu.checkFeatures("+avx2") ? 32 : 16, .count = 16};
}

// Gives the global that the codelet declares its bytes, whatever its type.
Status fill_in(llvm::Module& module, const std::string& name, std::string_view bytes) {
  llvm::GlobalVariable* declared = module.getNamedGlobal(name);
  if (declared == nullptr) return {};  // the codelet does not read it
  const uint64_t size = module.getDataLayout().getTypeAllocSize(declared->getValueType());
  if (size != bytes.size()) {
    return Error{fmt::format("jit: {} is {} bytes, must be {}", name, bytes.size(), size)};
  }
  llvm::Constant* data =
      llvm::ConstantDataArray::getString(module.getContext(), {bytes.data(), bytes.size()}, false);
  auto* filled = new llvm::GlobalVariable(module, data->getType(), true,
                                          llvm::GlobalValue::PrivateLinkage, data);
  filled->setAlignment(llvm::Align(16));
  declared->replaceAllUsesWith(filled);
  declared->eraseFromParent();
  return {};
}

Status specialise(llvm::Module& module, const KernelJob& job, const llvm::TargetMachine& machine) {
  const HostVectors vectors = vectors_of(machine);
  TRY(fill_in(module, fmt::format("{}_constants", job.codelet->name), job.constants));
  TRY(fill_in(module, "host_vectors", {reinterpret_cast<const char*>(&vectors), sizeof vectors}));

  define_dots_of_bytes(module, *machine.getMCSubtargetInfo(), machine.getTargetTriple().isX86());
  for (llvm::Function& function : module) {
    if (function.isDeclaration()) continue;
    const bool entry = function.getName() == llvm::StringRef(job.codelet->name);
    if (!entry) function.setLinkage(llvm::GlobalValue::InternalLinkage);
    // The bitcode was made for any CPU; without these, code is generated for the machine's.
    for (const char* attribute : {"target-cpu", "target-features", "tune-cpu"}) {
      function.removeFnAttr(attribute);
    }
    function.addFnAttr("prefer-vector-width", std::to_string(8 * vectors.bytes));
    function.addFnAttr("min-legal-vector-width", std::to_string(8 * vectors.bytes));
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
  module.getFunction(job.codelet->name)->setName(job.function);
  return {};
}

// These passes make good code of lightly optimised bitcode whose constants are known. LLVM's -O2
// makes the same kernels and takes three times as long. Codelets write their vectors out, and ask
// for unrolling where it pays (#pragma unroll).
llvm::ModulePassManager specialising_passes() {
  llvm::LoopPassManager loops;
  loops.addPass(llvm::LoopRotatePass());
  loops.addPass(llvm::LICMPass(llvm::LICMOptions()));

  llvm::FunctionPassManager functions;
  functions.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  functions.addPass(llvm::EarlyCSEPass(true));
  functions.addPass(llvm::SimplifyCFGPass());
  functions.addPass(llvm::InstCombinePass());
  functions.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(loops), true));
  functions.addPass(llvm::LoopUnrollPass(llvm::LoopUnrollOptions(2, /*OnlyWhenForced=*/true)));
  functions.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  functions.addPass(llvm::GVNPass());
  functions.addPass(llvm::InstCombinePass());
  functions.addPass(llvm::SimplifyCFGPass());

  llvm::ModulePassManager passes;
  passes.addPass(llvm::IPSCCPPass());
  passes.addPass(llvm::GlobalDCEPass());
  passes.addPass(llvm::ModuleInlinerWrapperPass(llvm::getInlineParams(225)));
  passes.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(functions)));
  passes.addPass(llvm::GlobalDCEPass());
  return passes;
}

void optimise(llvm::Module& module, llvm::TargetMachine& machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  specialising_passes().run(module, modules);
}

Expected<std::unique_ptr<llvm::MemoryBuffer>> emit(llvm::Module& module,
                                                   llvm::TargetMachine& machine) {
  llvm::SmallVector<char, 0> bytes;
  {
    llvm::raw_svector_ostream stream(bytes);
    llvm::legacy::PassManager passes;
    llvm::MCContext* context = nullptr;
    if (machine.addPassesToEmitMC(passes, context, stream)) {
      return Error{"jit: this host's LLVM cannot emit objects"};
    }
    passes.run(module);
  }
  std::unique_ptr<llvm::MemoryBuffer> object =
      std::make_unique<llvm::SmallVectorMemoryBuffer>(std::move(bytes), false);
  return object;
}

}  // namespace

Expected<std::unique_ptr<llvm::MemoryBuffer>> compile_object(
    const KernelJob& job, llvm::orc::JITTargetMachineBuilder builder) {
  const std::string where = fmt::format("jit: codelet {}", job.codelet->name);
  const std::span<const std::byte> bitcode = job.codelet->bitcode;
  const llvm::StringRef bytes(reinterpret_cast<const char*>(bitcode.data()), bitcode.size());
  llvm::LLVMContext context;
  const std::unique_ptr<llvm::TargetMachine> machine =
      TRY(ours(where, builder.createTargetMachine()));
  const std::unique_ptr<llvm::Module> module =
      TRY(ours(where, llvm::parseBitcodeFile({bytes, where}, context)));
  module->setTargetTriple(machine->getTargetTriple().str());
  module->setDataLayout(machine->createDataLayout());
  TRY(specialise(*module, job, *machine));
  optimise(*module, *machine);
  return emit(*module, *machine);
}

}  // namespace tessera
