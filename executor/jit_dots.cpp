// SPDX-License-Identifier: Apache-2.0
#include "executor/jit_dots.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <array>

namespace tessera {
namespace {

using Builder = llvm::IRBuilder<>;
using llvm::Value;

constexpr int kSums = 16;

// The host's instructions for `lanes` sums at once.
struct Instruction {
  int lanes;
  llvm::Intrinsic::ID dots = llvm::Intrinsic::not_intrinsic;   // four bytes by four, and a sum
  llvm::Intrinsic::ID pairs = llvm::Intrinsic::not_intrinsic;  // two 16-bit numbers by two
};

Instruction instruction_of(const llvm::MCSubtargetInfo& cpu, bool is_x86) {
  namespace is = llvm::Intrinsic;
  if (!is_x86) return {.lanes = kSums};
  if (cpu.checkFeatures("+avx512vnni")) return {.lanes = 16, .dots = is::x86_avx512_vpdpbusd_512};
  if (cpu.checkFeatures("+avx512bw")) return {.lanes = 16, .pairs = is::x86_avx512_pmaddw_d_512};
  if (cpu.checkFeatures("+avxvnni")) return {.lanes = 8, .dots = is::x86_avx512_vpdpbusd_256};
  if (cpu.checkFeatures("+avx2")) return {.lanes = 8, .pairs = is::x86_avx2_pmadd_wd};
  return {.lanes = 4, .pairs = is::x86_sse2_pmadd_wd};
}

// The body for `lanes` sums from `first` on.
class Dots {
 public:
  Dots(Builder& to, const Instruction& with) : to_(to), with_(with) {}

  Value* added(Value* sums, Value* a, Value* b) {
    if (with_.dots != llvm::Intrinsic::not_intrinsic) return call(with_.dots, {sums, a, b});
    if (with_.pairs != llvm::Intrinsic::not_intrinsic) return by_pairs(sums, a, b);
    return by_terms(sums, a, b);
  }

 private:
  // u8 and i8 as 16 bits: the even bytes of each pair, then the odd ones. No product of theirs, nor
  // the sum of two, leaves 32 bits; what adds pairs of bytes in 16 bits would saturate.
  Value* by_pairs(Value* sums, Value* a, Value* b) {
    auto* halves = llvm::FixedVectorType::get(to_.getInt16Ty(), 2 * with_.lanes);
    Value* a_halves = to_.CreateBitCast(a, halves);
    Value* b_halves = to_.CreateBitCast(b, halves);
    Value* eight = llvm::ConstantInt::get(halves, 8);
    Value* even_a = to_.CreateAnd(a_halves, llvm::ConstantInt::get(halves, 255));
    Value* even_b = to_.CreateAShr(to_.CreateShl(b_halves, eight), eight);
    Value* odd_a = to_.CreateLShr(a_halves, eight);
    Value* odd_b = to_.CreateAShr(b_halves, eight);
    Value* even = call(with_.pairs, {even_a, even_b});
    Value* odd = call(with_.pairs, {odd_a, odd_b});
    return to_.CreateAdd(sums, to_.CreateAdd(even, odd));
  }

  Value* by_terms(Value* sums, Value* a, Value* b) {
    auto* type = sums->getType();
    for (uint64_t bits = 0; bits < 32; bits += 8) {
      Value* a_term = to_.CreateAnd(to_.CreateLShr(a, llvm::ConstantInt::get(type, bits)),
                                    llvm::ConstantInt::get(type, 255));
      Value* high = to_.CreateShl(b, llvm::ConstantInt::get(type, 24 - bits));
      Value* b_term = to_.CreateAShr(high, llvm::ConstantInt::get(type, 24));
      sums = to_.CreateAdd(sums, to_.CreateMul(a_term, b_term));
    }
    return sums;
  }

  Value* call(llvm::Intrinsic::ID id, std::initializer_list<Value*> operands) {
    return to_.CreateIntrinsic(id, {}, llvm::ArrayRef<Value*>(operands.begin(), operands.size()));
  }

  Builder& to_;
  const Instruction& with_;
};

}  // namespace

void define_dots_of_bytes(llvm::Module& module, const llvm::MCSubtargetInfo& cpu, bool is_x86) {
  llvm::Function* function = module.getFunction("add_dots_of_bytes");
  if (function == nullptr || !function->isDeclaration()) return;
  const Instruction with = instruction_of(cpu, is_x86);
  function->setLinkage(llvm::GlobalValue::InternalLinkage);
  function->removeFnAttr(llvm::Attribute::NoInline);
  function->addFnAttr(llvm::Attribute::AlwaysInline);
  Builder to(llvm::BasicBlock::Create(module.getContext(), "", function));
  auto* lanes = llvm::FixedVectorType::get(to.getInt32Ty(), static_cast<unsigned>(with.lanes));
  Value *sums = function->getArg(0), *b = function->getArg(2);
  Value* a = to.CreateVectorSplat(static_cast<unsigned>(with.lanes), function->getArg(1));
  const llvm::Align one(1), of_sums(4);
  for (int first = 0; first < kSums; first += with.lanes) {
    Value* sums_at = to.CreateConstGEP1_64(to.getInt32Ty(), sums, static_cast<uint64_t>(first));
    Value* b_at = to.CreateConstGEP1_64(to.getInt32Ty(), b, static_cast<uint64_t>(first));
    Value* before = to.CreateAlignedLoad(lanes, sums_at, of_sums);
    Value* columns = to.CreateAlignedLoad(lanes, b_at, one);
    to.CreateAlignedStore(Dots(to, with).added(before, a, columns), sums_at, of_sums);
  }
  to.CreateRetVoid();
}

}  // namespace tessera
