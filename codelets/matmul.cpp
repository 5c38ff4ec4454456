// SPDX-License-Identifier: Apache-2.0
#include "codelets/matmul.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "codelets/charges.h"
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"
#include "support/fp8.h"

namespace tessera::codelets {
namespace {

constexpr size_t kA = 0, kB = 1, kInputs = 2;
constexpr std::string_view kScale = "scale";  // of fp8

const Shape& a_of(const VertexShape& shape) { return shape.operands[kA].size; }
const Shape& b_of(const VertexShape& shape) { return shape.operands[kB].size; }

Product product_of(const VertexShape& shape) {
  return {.g = a_of(shape)[0], .m = a_of(shape)[1], .k = a_of(shape)[2], .n = b_of(shape)[2]};
}

bool multiplies_fp8(const VertexShape& shape) {
  return !shape.operands.empty() && is_fp8(shape.operands[kA].dtype);
}

// The operands a and b must be floats, or both fp8.
OperandRule operand_rule(const VertexShape& shape, Shape size) {
  return {.dtype = multiplies_fp8(shape) ? Accept::Fp8 : Accept::Float, .size = std::move(size)};
}

Status check_all_params(const VertexShape& shape) {
  if (!multiplies_fp8(shape)) return check_epilogue_params("matmul", shape);
  TRY(check_epilogue_params("matmul", shape, kScale));
  TRY(int_param("matmul", shape, kScale, 2 * kLeastFp8Scale, 2 * kMostFp8Scale));
  return {};
}

// Sums of fp8 are stored as halves, of which Poplar has nothing else.
Status check_result(const VertexShape& shape) {
  const DType out = shape.operands.back().dtype;
  if (!multiplies_fp8(shape) || out == DType::F16) return {};
  return violation("matmul", fmt::format("operand {} is {}, must be f16 where a is fp8",
                                         shape.operands.size() - 1, to_string(out)));
}

Status check(const VertexShape& shape) {
  TRY(check_all_params(shape));
  if (shape.operands.size() < kInputs) return check_operand_count("matmul", shape, kInputs + 1);
  TRY(check_operand("matmul", shape, kA, operand_rule(shape, {kAnySize, kAnySize, kAnySize})));
  const Shape& a = a_of(shape);
  const Shape& b = b_of(shape);
  const int64_t matrices = b.size() == 3 && b[0] == 1 ? 1 : a[0];  // one for all, or one for each
  TRY(check_operand("matmul", shape, kB, operand_rule(shape, {matrices, a[2], kAnySize})));
  TRY(check_epilogue("matmul", shape, kInputs, {a[0], a[1], b[2]}));
  return check_result(shape);
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

MatMulBlocks blocks(const VertexShape& shape) {
  MatMulBlocks blocks;
  const auto given = [&](const char* name, int64_t usual) {
    const std::vector<double>* value = find_param(*shape.params, name);
    return value == nullptr ? usual : static_cast<int64_t>(value->front());
  };
  blocks.rows = given(kHostRows, blocks.rows);
  blocks.terms = given(kHostTerms, blocks.terms);
  blocks.prefetch = given(kHostPrefetch, blocks.prefetch) != 0;
  return blocks;
}

double factor(const VertexShape& shape) {
  if (!multiplies_fp8(shape)) return 1;
  return std::ldexp(1.0, static_cast<int>(param(*shape.params, kScale)));
}

std::string constants(const VertexShape& shape) {
  const int64_t terms = part_terms(shape);
  const MatMulBlocks most = blocks(shape);
  return bytes_of(MatMulConstants{
      .a = element_of(shape.operands[kA].dtype),
      .b = element_of(shape.operands[kB].dtype),
      .a_factor = factor(shape),
      .part_terms = terms,
      .part = terms == 0 ? Element::F32 : static_cast<Element>(param(*shape.params, kPartElement)),
      .rows = most.rows,
      .terms = most.terms,
      .prefetch = most.prefetch,
      .end = epilogue_constants(shape, kInputs)});
}

int64_t scratch_bytes(const VertexShape& shape) {
  const Product is = product_of(shape);
  return MatMulScratch(is.m, is.k, part_terms(shape), blocks(shape)).bytes;
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
