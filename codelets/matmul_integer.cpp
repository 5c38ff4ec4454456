// SPDX-License-Identifier: Apache-2.0
#include "codelets/matmul_integer.h"

#include <fmt/format.h>

#include "codelets/charges.h"
#include "codelets/constants.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"
#include "support/math.h"

namespace tessera::codelets {
namespace {

constexpr std::string_view kName = "matmul_integer";
constexpr size_t kA = 0, kB = 1, kInputs = 2;

const Shape& a_of(const VertexShape& shape) { return shape.operands[kA].size; }
const Shape& b_of(const VertexShape& shape) { return shape.operands[kB].size; }
bool flag(const VertexShape& shape, std::string_view name) {
  return param(*shape.params, name) != 0;
}

Product product_of(const VertexShape& shape) {
  return {.g = a_of(shape)[0], .m = a_of(shape)[1], .k = a_of(shape)[2], .n = b_of(shape)[2]};
}

// Operands that a flag of their name says are there, in their order.
struct Extra {
  std::string_view name;
  Accept accept;
  bool of_rows;
  bool by_matrix;  // else one for all of g
};
constexpr Extra kExtras[] = {
    {"row_zero",     Accept::Integer, true,  true },
    {"column_zero",  Accept::Integer, false, true },
    {"row_scale",    Accept::Float,   true,  true },
    {"column_scale", Accept::Float,   false, false},
};

size_t count_of_extras(const VertexShape& shape) {
  size_t count = 0;
  for (const Extra& extra : kExtras) count += flag(shape, extra.name);
  return count;
}

Status check_scales(const VertexShape& shape) {
  const double scale = param(*shape.params, "out_scale");
  if (!(scale > 0)) return violation(kName, fmt::format("out_scale is {}, must be above 0", scale));
  const DType to = shape.operands.back().dtype;
  if (!is_byte(to)) return {};
  TRY(int_param(kName, shape, "out_zero", least_of(to), greatest_of(to)));
  return {};
}

Status check_params(const VertexShape& shape) {
  TRY(tessera::check_params(kName, shape,
                            {"row_zero", "column_zero", "scaled", "row_scale", "column_scale",
                             "bias", "residual", "activation", "out_scale", "out_zero"}));
  for (const std::string_view name :
       {"row_zero", "column_zero", "scaled", "row_scale", "column_scale", "bias", "residual"})
    TRY(int_param(kName, shape, name, 0, 1));
  TRY(int_param(kName, shape, "activation", 0, static_cast<int64_t>(Activation::Tanh)));
  if (flag(shape, "scaled")) return {};
  for (const std::string_view name :
       {"row_scale", "column_scale", "bias", "residual", "activation"}) {
    if (flag(shape, name))
      return violation(kName, fmt::format("{} is not 0, must be where scaled is 0", name));
  }
  return {};
}

Status check_extras(const VertexShape& shape, size_t& next) {
  const Product is = product_of(shape);
  for (const Extra& extra : kExtras) {
    if (!flag(shape, extra.name)) continue;
    const OperandShape& operand = shape.operands[next];
    Shape wanted{extra.by_matrix ? is.g : 1, extra.of_rows ? is.m : is.n};
    for (size_t d = 0; d < operand.size.size() && d < 2; ++d)
      if (operand.size[d] == 1) wanted[d] = 1;
    TRY(check_operand(kName, shape, next, {extra.accept, wanted}));
    if (extra.accept == Accept::Float && operand.dtype != DType::F32)
      return violation(kName, fmt::format("operand {} is {}, must be f32", next,
                                          tessera::to_string(operand.dtype)));
    ++next;
  }
  return {};
}

Status check_out(const VertexShape& shape, const Shape& out, size_t next) {
  if (flag(shape, "bias")) TRY(check_operand(kName, shape, next++, floats({out.back()})));
  if (flag(shape, "residual")) TRY(check_operand(kName, shape, next++, floats(out)));
  const DType to = shape.operands[next].dtype;
  const bool scaled = flag(shape, "scaled");
  const Accept accept = !scaled ? Accept::I32 : is_byte(to) ? Accept::Byte : Accept::Float;
  TRY(check_operand(kName, shape, next, {accept, out, true}));
  return check_scales(shape);
}

Status check(const VertexShape& shape) {
  TRY(check_params(shape));
  const size_t count =
      kInputs + count_of_extras(shape) + flag(shape, "bias") + flag(shape, "residual") + 1;
  TRY(check_operand_count(kName, shape, count));
  TRY(check_operand(kName, shape, kA, bytes({kAnySize, kAnySize, kAnySize})));
  const Shape& a = a_of(shape);
  const Shape& b = b_of(shape);
  const int64_t matrices = b.size() == 3 && b[0] == 1 ? 1 : a[0];  // one for all, or one for each
  TRY(check_operand(kName, shape, kB, bytes({matrices, a[2], kAnySize})));
  if (a[2] > kMostTerms)
    return violation(kName,
                     fmt::format("there are {} terms, must be at most {}", a[2], kMostTerms));
  size_t next = kInputs;
  TRY(check_extras(shape, next));
  return check_out(shape, {a[0], a[1], b[2]}, next);
}

// The unit multiplies no integers. Bytes become f16, which holds them, and f32 keeps their sums.
// That is exact up to 2^24, 512 products; longer sums are taken in parts, and these added up.
constexpr int64_t kExactTerms = 512;

Cycles cycles(const VertexShape& shape, const Target& target) {
  const Product is = product_of(shape);
  const int64_t parts = ceil_div(is.k, kExactTerms);
  const int64_t bytes = elements(a_of(shape)) + elements(b_of(shape));
  const int64_t outputs = is.g * is.m * is.n;
  // Zero points and scales: a product and a sum for each output.
  const int64_t zeros = flag(shape, "row_zero") + flag(shape, "column_zero");
  const int64_t quarters = zeros * (kScaleQuarters + kAddQuarters) +
                           (flag(shape, "scaled") ? kScaleQuarters : 0) +
                           (parts - 1) * kAddQuarters;
  Cycles sum = product_cycles(is, DType::F16, DType::F32, target) +
               element_cycles(bytes, kScaleQuarters, DType::F16) +
               element_cycles(outputs, quarters, DType::F32) +
               launch_cycles(3 + zeros + (parts > 1), target);
  if (!flag(shape, "scaled")) return sum;
  return sum + epilogue_cycles(shape, target);
}

int64_t products(const VertexShape& shape) { return elements(a_of(shape)) * b_of(shape).back(); }

int64_t state_bytes(const VertexShape& shape) {
  return 32 + product_state_bytes(product_of(shape), DType::F16, DType::F32);
}

// The bytes as f16, and the sums as f32 where something else is stored.
int64_t temporary_bytes(const VertexShape& shape) {
  const Product is = product_of(shape);
  const int64_t bytes = elements(a_of(shape)) + elements(b_of(shape));
  const DType to = shape.operands.back().dtype;
  return bytes * size_of(DType::F16) + (to == DType::F32 ? 0 : 4 * is.g * is.m * is.n);
}

std::string constants(const VertexShape& shape) {
  size_t next = kInputs;
  const auto element = [&](std::string_view name) {
    return flag(shape, name) ? element_of(shape.operands[next++].dtype) : Element::F32;
  };
  MatMulIntegerConstants is{};
  is.a = element_of(shape.operands[kA].dtype);
  is.b = element_of(shape.operands[kB].dtype);
  is.has_row_zero = flag(shape, "row_zero");
  is.row_zero = element("row_zero");
  is.has_column_zero = flag(shape, "column_zero");
  is.column_zero = element("column_zero");
  is.scaled = flag(shape, "scaled");
  is.has_row_scale = flag(shape, "row_scale");
  element("row_scale");
  is.has_column_scale = flag(shape, "column_scale");
  element("column_scale");
  is.to = element_of(shape.operands.back().dtype);
  is.out_scale = param(*shape.params, "out_scale");
  is.out_zero = param(*shape.params, "out_zero");
  is.end = epilogue_constants(shape, next);
  if (is_byte(shape.operands.back().dtype)) is.end.out = Element::F32;
  return bytes_of(is);
}

int64_t scratch_bytes(const VertexShape& shape) {
  const Product is = product_of(shape);
  const bool copies_a = shape.operands[kA].dtype == DType::I8 || is.k % 4 != 0;
  return MatMulIntegerScratch(is.m, is.k, copies_a).bytes;
}

Extents extents(const VertexShape& shape) {
  std::vector<std::string> letters = {"GMk", "GkN"};
  for (const Extra& extra : kExtras)
    if (flag(shape, extra.name))
      letters.emplace_back(std::string(extra.by_matrix ? "G" : ".") + (extra.of_rows ? "M" : "N"));
  append_epilogue_letters(shape, "GMN", letters);
  return {
      std::move(letters),
      {{'G', 1}, {'M', kIntegerStrip, kIntegerRows}, {'N', kIntegerColumns}},
      1
  };
}

}  // namespace

Codelet matmul_integer() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 2048,
          .state_bytes = state_bytes,
          .temporary_bytes = temporary_bytes,
          .constants = constants,
          .scratch_bytes = scratch_bytes,
          .extents = extents,
          .products = products};
}

}  // namespace tessera::codelets
