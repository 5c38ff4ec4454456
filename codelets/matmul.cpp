// SPDX-License-Identifier: Apache-2.0
#include "codelets/matmul.h"

#include "codelets/charges.h"
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"

namespace tessera::codelets {
namespace {

constexpr size_t kA = 0, kB = 1, kInputs = 2;

const Shape& a_of(const VertexShape& shape) { return shape.operands[kA].size; }
const Shape& b_of(const VertexShape& shape) { return shape.operands[kB].size; }

Product product_of(const VertexShape& shape) {
  return {.g = a_of(shape)[0], .m = a_of(shape)[1], .k = a_of(shape)[2], .n = b_of(shape)[2]};
}

Status check(const VertexShape& shape) {
  TRY(check_epilogue_params("matmul", shape));
  if (shape.operands.size() < kInputs) return check_operand_count("matmul", shape, kInputs + 1);
  TRY(check_operand("matmul", shape, kA, floats({kAnySize, kAnySize, kAnySize})));
  const Shape& a = a_of(shape);
  const Shape& b = b_of(shape);
  const int64_t matrices = b.size() == 3 && b[0] == 1 ? 1 : a[0];  // one for all, or one for each
  TRY(check_operand("matmul", shape, kB, floats({matrices, a[2], kAnySize})));
  return check_epilogue("matmul", shape, kInputs, {a[0], a[1], b[2]});
}

Cycles cycles(const VertexShape& shape, const Target& target) {
  return product_cycles(product_of(shape), shape.operands[kA].dtype, shape.operands.back().dtype,
                        target) +
         epilogue_cycles(shape, target);
}

int64_t products(const VertexShape& shape) { return elements(a_of(shape)) * b_of(shape).back(); }

int64_t state_bytes(const VertexShape& shape) {
  return product_state_bytes(product_of(shape), shape.operands[kA].dtype,
                             shape.operands.back().dtype);
}

// A joined matmul (matmul.h) says here how many terms a part has.
int64_t part_terms(const VertexShape& shape) {
  const std::vector<double>* terms = find_param(*shape.params, kPartTerms);
  return terms == nullptr ? 0 : static_cast<int64_t>(terms->front());
}

std::string constants(const VertexShape& shape) {
  const int64_t terms = part_terms(shape);
  return bytes_of(MatMulConstants{
      .a = element_of(shape.operands[kA].dtype),
      .b = element_of(shape.operands[kB].dtype),
      .part_terms = terms,
      .part = terms == 0 ? Element::F32 : static_cast<Element>(param(*shape.params, kPartElement)),
      .end = epilogue_constants(shape, kInputs)});
}

int64_t scratch_bytes(const VertexShape& shape) {
  const Product is = product_of(shape);
  return MatMulScratch(is.m, is.k, part_terms(shape)).bytes;
}

Extents extents(const VertexShape& shape) {
  std::vector<std::string> letters = {"GMk", "GkN"};
  append_epilogue_letters(shape, "GMN", letters);
  return {
      std::move(letters), {{'G', 1}, {'M', kMatMulStrip, kMatMulRows}, {'N', kMatMulColumns}},
       1
  };
}

}  // namespace

Codelet matmul() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 2048,
          .state_bytes = state_bytes,
          .constants = constants,
          .scratch_bytes = scratch_bytes,
          .extents = extents,
          .products = products};
}

}  // namespace tessera::codelets
