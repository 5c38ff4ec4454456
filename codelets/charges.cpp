// SPDX-License-Identifier: Apache-2.0
#include "codelets/charges.h"

#include <algorithm>

#include "codelets/rules.h"
#include "support/math.h"

namespace tessera {
namespace {

constexpr int64_t kWorkers = 6;

// How the matrix unit takes a product: columns are loaded as weights, `grain` terms by `units`
// columns at a time, and all rows stream past each such block.
struct Blocks {
  int64_t in_groups, out_groups, load;
  bool half;
};

int64_t terms_of_block(DType in) { return is_fp8(in) ? 32 : in == DType::F16 ? 16 : 8; }

Blocks blocks_of(const Product& product, DType in, DType out, const Target& target) {
  const bool half = in == DType::F16;
  const int64_t grain = terms_of_block(in);
  const int64_t units = half && out != DType::F16 ? 8 : 16;
  return {.in_groups = ceil_div(product.k, grain),
          .out_groups = ceil_div(product.n, units),
          .load = ceil_div(units * grain * size_of(in), target.weight_load_bytes_per_cycle),
          .half = half};
}

// Issue slots of one worker that streams `rows` past a block; the first block of a sum zeroes it.
// poplinCycleEstimators.cpp, getConvPartial1x1…
int64_t worker_slots(bool half, int64_t rows, bool first) {
  if (half) {
    const int64_t kept = 7;  // state between calls
    const int64_t add = first ? 1 : 2;
    if (rows == 0) return 20 + add - kept;
    if (rows == 1) return 31 + add - kept;
    if (rows == 2) return 40 + add - kept;
    return 36 + add + 4 * (rows - 3) - kept;
  }
  const int64_t zeroing = first ? 2 + 8 * rows : 0;
  if (rows == 0) return 24;
  if (rows == 1) return 47 + zeroing;
  if (rows == 2) return 46 + zeroing;
  return 46 + zeroing + 8 * (rows - 3);
}

int64_t block_cycles(bool half, int64_t rows, bool first) {
  const int64_t slowest = worker_slots(half, ceil_div(rows, kWorkers), first);
  const int64_t fastest = worker_slots(half, rows / kWorkers, first);
  return std::max(kWorkers * slowest, kWorkers * fastest + 14);
}

// PerformanceEstimation.hpp, getConvPartial1x1SupervisorOuterLoopCycleEstimate
int64_t streamed(const Product& product, DType in, DType out, const Target& target) {
  const Blocks is = blocks_of(product, in, out, target);
  const int64_t first = block_cycles(is.half, product.m, true);
  const int64_t other = block_cycles(is.half, product.m, false);
  return 50 + 6 * (7 + 3 * (is.in_groups * product.g - 1)) +
         product.g * (13 + (is.in_groups - 1) * (15 + is.out_groups * (25 + is.load + other)) + 11 +
                      is.out_groups * (25 + is.load + first));
}

// PerformanceEstimation.hpp, the estimators of quarters: 32 terms by 16 columns a block, past which
// a row streams in 4 cycles. That is 128 products a cycle, and the one form that Poplar has:
// partials are half (ConvVertexType.cpp).
int64_t fp8_worker_slots(int64_t rows, bool first) {
  const int64_t zeroing = first ? 5 : 0;
  if (rows == 0) return 17 + 4;
  if (rows == 1) return 17 + 18 - zeroing;
  if (rows == 2) return 17 + 23 - zeroing;
  return 17 + 27 - zeroing + 4 * (rows - 3);
}

int64_t streamed_fp8(const Product& product, DType in, const Target& target) {
  const Blocks is = blocks_of(product, in, DType::F16, target);
  const int64_t rows = ceil_div(product.m, kWorkers);
  const int64_t first = is.load + kWorkers * fp8_worker_slots(rows, true);
  const int64_t other = is.load + kWorkers * fp8_worker_slots(rows, false);
  return 46 +
         product.g * (21 + is.out_groups * (46 + 131 + first + (is.in_groups - 1) * (108 + other)));
}

// In sixteenths of a cycle an element: popnn's, of which those of f32 cost more than their width
// explains. Exact gelu is the kernel that ipu-stack measured, 462 cycles for 96 halves, and by its
// width for floats.
int64_t activation_sixteenths(Activation activation, DType dtype) {
  const bool half = dtype == DType::F16;
  switch (activation) {
    case Activation::None: return 0;
    case Activation::Relu: return half ? 12 : 24;
    case Activation::GeluErf: return half ? 77 : 154;
    case Activation::GeluTanh: return half ? 32 : 168;
    case Activation::Tanh: return half ? 16 : 96;
  }
  return 0;
}

bool flag(const VertexShape& shape, std::string_view name) {
  return param(*shape.params, name) != 0;
}

Activation activation_of(const VertexShape& shape) {
  return static_cast<Activation>(param(*shape.params, "activation"));
}

}  // namespace

Cycles product_cycles(const Product& product, DType in, DType out, const Target& target) {
  // Either operand may be the one that is loaded (poplin's swapOperands); the planner would not
  // take the slower.
  const Product swapped{product.g, product.n, product.k, product.m};
  const auto by = [&](const Product& is) {
    return is_fp8(in) ? streamed_fp8(is, in, target) : streamed(is, in, out, target);
  };
  return Cycles{static_cast<uint64_t>(std::min(by(product), by(swapped)))};
}

int64_t product_state_bytes(const Product& product, DType in, DType out) {
  const Blocks is = blocks_of(product, in, out, Target{});
  const int64_t edges = product.g * (is.in_groups + is.in_groups * is.out_groups + is.out_groups);
  return 4 * 4 + 7 * 2 + 36 + 4 * edges;
}

// PerformanceEstimation.hpp, getReduceCycleEstimate: the fast form wants whole vectors and all
// partials in a sixteenth of the memory.
Cycles reduce_cycles(int64_t count, int64_t outputs, DType partials, DType out,
                     const Target& target) {
  const int64_t accumulators = partials == DType::F16 ? 8 : 4;
  const int64_t rounds = ceil_div(ceil_div(outputs, accumulators), kWorkers);
  const bool fast = outputs % accumulators == 0 &&
                    count * outputs * size_of(partials) < target.bytes_per_tile / 16;
  if (!fast) return Cycles{static_cast<uint64_t>(kWorkers * (32 + rounds * (3 * count + 8)))};
  int64_t store = 9;
  if (partials == DType::F16 && out == DType::F32) store = 10;
  if (partials == DType::F32) store = out == DType::F32 ? 8 : 7;
  // A vector of eight halves or four floats is 16 bytes.
  const int64_t loads = ceil_div(16, target.partials_load_bytes_per_cycle);
  const int64_t each = loads * (count - 1) + store;
  return Cycles{static_cast<uint64_t>(33 + kWorkers * (20 + rounds * each))};
}

Cycles launch_cycles(int64_t compute_sets, const Target& target) {
  return Cycles{
      static_cast<uint64_t>((compute_sets - 1) * (target.sync_cycles + target.setup_cycles))};
}

// poplin ConvModel.cpp's fit over random rearrangements, for runs of 8, 4 and 2 bytes.
Cycles rearrange_cycles(int64_t bytes, int64_t run_bytes) {
  const int64_t hundredths = run_bytes % 8 == 0 ? 44 : run_bytes % 4 == 0 ? 310 : 515;
  return Cycles{static_cast<uint64_t>(587 + ceil_div(bytes * hundredths, 100))};
}

// Halves by blocks of four by four: three bundles and a launch of the inner loop for sixteen
// elements of one worker, 1.5 cycles an element (popsparse PerformanceEstimation.hpp,
// getTransposeCycleEstimate); floats one by one.
Cycles transpose_cycles(int64_t elements, DType dtype) {
  if (dtype != DType::F16) return rearrange_cycles(elements * size_of(dtype), size_of(dtype));
  return Cycles{static_cast<uint64_t>(587 + ceil_div(elements * 3, 2))};
}

Cycles element_cycles(int64_t elements, int64_t quarters, DType dtype) {
  const int64_t total = elements * quarters * (dtype == DType::F16 ? 1 : 2);
  return Cycles{static_cast<uint64_t>(ceil_div(total, 4))};
}

Status check_epilogue_params(std::string_view codelet, const VertexShape& shape,
                             std::string_view more) {
  if (more.empty())
    TRY(check_params(codelet, shape, {"bias", "residual", "activation"}));
  else
    TRY(check_params(codelet, shape, {"bias", "residual", "activation", more}));
  TRY(int_param(codelet, shape, "bias", 0, 1));
  TRY(int_param(codelet, shape, "residual", 0, 1));
  TRY(int_param(codelet, shape, "activation", 0, static_cast<int64_t>(Activation::Tanh)));
  return {};
}

Status check_epilogue(std::string_view codelet, const VertexShape& shape, size_t inputs,
                      const Shape& out) {
  const bool bias = flag(shape, "bias");
  const bool residual = flag(shape, "residual");
  TRY(check_operand_count(codelet, shape, inputs + bias + residual + 1));
  size_t next = inputs;
  if (bias) TRY(check_operand(codelet, shape, next++, floats({out.back()})));
  if (residual) TRY(check_operand(codelet, shape, next++, floats(out)));
  return check_operand(codelet, shape, next, written_floats(out));
}

EpilogueConstants epilogue_constants(const VertexShape& shape, size_t inputs) {
  EpilogueConstants constants{.out = element_of(shape.operands.back().dtype),
                              .has_bias = flag(shape, "bias"),
                              .bias = Element::F32,
                              .has_residual = flag(shape, "residual"),
                              .residual = Element::F32,
                              .activation = activation_of(shape)};
  if (constants.has_bias) constants.bias = element_of(shape.operands[inputs++].dtype);
  if (constants.has_residual) constants.residual = element_of(shape.operands[inputs].dtype);
  return constants;
}

Cycles epilogue_cycles(const VertexShape& shape, const Target& target) {
  const OperandShape& out = shape.operands.back();
  const int64_t size = elements(out.size);
  const int64_t activation = activation_sixteenths(activation_of(shape), out.dtype);
  const bool bias = flag(shape, "bias"), residual = flag(shape, "residual");
  const int64_t sums = (bias ? kBiasQuarters : 0) + (residual ? kAddQuarters : 0);
  return element_cycles(size, sums, out.dtype) +
         Cycles{static_cast<uint64_t>(ceil_div(size * activation, 16))} +
         launch_cycles(1 + bias + residual + (activation > 0), target);
}

void append_epilogue_letters(const VertexShape& shape, const std::string& out,
                             std::vector<std::string>& letters) {
  if (param(*shape.params, "bias") != 0) letters.push_back(out.substr(out.size() - 1));
  if (param(*shape.params, "residual") != 0) letters.push_back(out);
  letters.push_back(out);
}

}  // namespace tessera
