// SPDX-License-Identifier: Apache-2.0
#include "codelets/attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "codelets/charges.h"
#include "codelets/constants.h"
#include "codelets/hidden_keys.h"
#include "codelets/host_side.h"
#include "codelets/rules.h"

namespace tessera::codelets {
namespace {

constexpr int kQ = 0, kK = 1, kV = 2, kMask = 3;
// A tile holds far less; these bound the scratch and the sums that a hostile program can ask for.
constexpr int64_t kMostKeys = int64_t{1} << 20;
constexpr int64_t kMostScores = int64_t{1} << 40;

struct Sizes {
  int64_t b, r, h, d, s;
};

Sizes sizes_of(const VertexShape& shape) {
  const Shape& q = shape.operands[kQ].size;
  return {.b = q[0], .r = q[1], .h = q[2], .d = q[3], .s = shape.operands[kK].size[1]};
}

AttentionMaskParam mask_of(const VertexShape& shape) {
  return AttentionMaskParam::of(static_cast<int64_t>(param(*shape.params, "mask")));
}

size_t bias_operand(AttentionMaskParam mask) {
  return static_cast<size_t>(kMask + mask.key_operands());
}

// Each of the bias's dimensions is the scores' or 1.
Shape bias_rule(const Shape& bias, const Sizes& is) {
  Shape rule = {is.b, is.h, is.r, is.s};
  for (size_t i = 0; i < 3 && i < bias.size(); ++i) {
    if (bias[i] == 1) rule[i] = 1;
  }
  return rule;
}

Status check_keys(const VertexShape& shape, const Sizes& is) {
  switch (mask_of(shape).sees) {
    case Sees::All: return {};
    case Sees::Keys: return check_operand("attention", shape, kMask, ints({is.b, is.s}));
    case Sees::Segments:
      TRY(check_operand("attention", shape, kMask, ints({is.b, is.r})));
      return check_operand("attention", shape, kMask + 1, ints({is.b, is.s}));
    case Sees::Lengths: return check_operand("attention", shape, kMask, ints({is.b}));
  }
  return {};
}

Status check_mask(const VertexShape& shape, const Sizes& is) {
  TRY(check_keys(shape, is));
  const AttentionMaskParam mask = mask_of(shape);
  if (!mask.bias) return {};
  const size_t bias = bias_operand(mask);
  return check_operand("attention", shape, bias, floats(bias_rule(shape.operands[bias].size, is)));
}

Status check_limits(const Sizes& is) {
  if (is.s > kMostKeys || is.d > kMostKeys) {
    return violation(
        "attention",
        fmt::format("there are {} keys of {} elements, must be at most {}", is.s, is.d, kMostKeys));
  }
  if (is.b * is.h * is.r > kMostScores / is.s) {
    return violation("attention",
                     fmt::format("there are {} queries by {} keys, must be at most {} scores",
                                 is.b * is.h * is.r, is.s, kMostScores));
  }
  return {};
}

bool shows_hidden(const VertexShape& shape) { return shape.params->size() == 3; }

Status check_mask_params(const VertexShape& shape) {
  if (!shows_hidden(shape)) {
    TRY(check_params("attention", shape, {"scale", "mask"}));
    TRY(int_param("attention", shape, "mask", 0, AttentionMaskParam::kMost));
    return {};
  }
  TRY(check_params("attention", shape, {"scale", "mask", "hidden"}));
  TRY(int_param("attention", shape, "mask", 0, AttentionMaskParam::kMost));
  if (mask_of(shape).sees != Sees::Keys) {
    return violation("attention", "hidden is given, must come with a mask of keys");
  }
  if (param(*shape.params, "hidden") < 0) return {};
  return violation("attention",
                   fmt::format("hidden is {}, must be below 0", param(*shape.params, "hidden")));
}

Status check(const VertexShape& shape) {
  TRY(check_mask_params(shape));
  TRY(check_operand_count("attention", shape, kMask + mask_of(shape).operands() + 1));
  TRY(check_operand("attention", shape, kQ, floats({kAnySize, kAnySize, kAnySize, kAnySize})));
  const Shape& q = shape.operands[kQ].size;
  TRY(check_operand("attention", shape, kK, floats({q[0], kAnySize, q[2], q[3]})));
  const Sizes is = sizes_of(shape);
  TRY(check_operand("attention", shape, kV, floats({is.b, is.s, is.h, is.d})));
  TRY(check_limits(is));
  TRY(check_mask(shape, is));
  return check_operand("attention", shape, shape.operands.size() - 1, written_floats(q));
}

// Two products on the matrix unit, as matmul's; between them a score of f16 takes 0.5 cycles to be
// scaled, 0.75 for each mask or bias and 3 of softmax, and is put in order twice. The unit streams
// the keys past the queries (poplin plans products with swapped operands first), so scores come out
// transposed; softmax reads rows of them, and the unit then reads those in groups of sixteen. The
// compute sets are the two products, scale, mask, softmax and the two rearrangements.
Cycles cycles(const VertexShape& shape, const Target& target) {
  const Sizes is = sizes_of(shape);
  const DType in = shape.operands[kQ].dtype;
  const DType out = shape.operands.back().dtype;
  const int64_t heads = is.b * is.h;
  const int64_t scores = heads * is.r * is.s;
  const AttentionMaskParam mask = mask_of(shape);
  const int64_t adds = (mask.sees == Sees::All ? 0 : 1) + (mask.bias ? 1 : 0);
  const int64_t quarters = kScaleQuarters + kSoftmaxQuarters + adds * kAddQuarters;
  const int64_t bytes = scores * size_of(in);
  const Cycles ordered = transpose_cycles(scores, in) + rearrange_cycles(bytes, 16 * size_of(in));
  return product_cycles({heads, is.r, is.d, is.s}, in, out, target) +
         element_cycles(scores, quarters, in) + ordered +
         product_cycles({heads, is.r, is.s, is.d}, in, out, target) +
         launch_cycles(5 + adds + kSoftmaxSets, target);
}

// Scores, and then values.
int64_t products(const VertexShape& shape) {
  const Sizes is = sizes_of(shape);
  return 2 * is.b * is.r * is.h * is.d * is.s;
}

int64_t state_bytes(const VertexShape& shape) {
  const Sizes is = sizes_of(shape);
  const DType in = shape.operands[kQ].dtype;
  const DType out = shape.operands.back().dtype;
  const int64_t heads = is.b * is.h;
  return product_state_bytes({heads, is.r, is.d, is.s}, in, out) +
         product_state_bytes({heads, is.r, is.s, is.d}, in, out);
}

// All scores of the vertex: beside keys or values while the unit multiplies, and twice while they
// are put in another order, when neither is there. The keys are in the receive buffers.
int64_t temporary_bytes(const VertexShape& shape) {
  const Sizes is = sizes_of(shape);
  const int64_t item = size_of(shape.operands[kQ].dtype);
  const int64_t scores = is.b * is.h * is.r * is.s * item;
  const int64_t keys = elements(shape.operands[kK].size) * item;
  return scores + std::max<int64_t>(0, scores - keys);
}

std::string constants(const VertexShape& shape) {
  const auto element = [&](size_t operand) { return element_of(shape.operands[operand].dtype); };
  const AttentionMaskParam mask = mask_of(shape);
  const double hidden = shows_hidden(shape) ? param(*shape.params, "hidden") : 0;
  const bool is_float = hidden >= std::numeric_limits<float>::lowest();
  return bytes_of(AttentionConstants{.q = element(kQ),
                                     .k = element(kK),
                                     .v = element(kV),
                                     .bias = mask.bias ? element(bias_operand(mask)) : Element::F32,
                                     .out = element(shape.operands.size() - 1),
                                     .mask = mask,
                                     .scale = param(*shape.params, "scale"),
                                     .shows_hidden = shows_hidden(shape),
                                     .hidden = is_float ? hidden : -HUGE_VAL});
}

int64_t scratch_bytes(const VertexShape& shape) {
  const Sizes is = sizes_of(shape);
  return AttentionScratch(is.d, is.s).bytes;
}

Extents extents(const VertexShape& shape) {
  std::vector<std::string> letters = {"BRHd", "BsHd", "BsHd"};
  switch (mask_of(shape).sees) {
    case Sees::All: break;
    case Sees::Keys: letters.push_back("Bs"); break;
    case Sees::Segments: letters.insert(letters.end(), {"BR", "Bs"}); break;
    case Sees::Lengths: letters.push_back("B"); break;
  }
  if (mask_of(shape).bias) letters.push_back("BHRs");
  letters.push_back("BRHd");
  return {
      std::move(letters), {{'B', 1}, {'H', 1}, {'R', 64}},
       1
  };
}

}  // namespace
}  // namespace tessera::codelets

namespace tessera {

std::optional<HiddenRule> hidden_rule(const Program& program, const ComputeSet& set) {
  if (set.codelet != "attention" || find_param(set.params, "hidden") == nullptr)
    return std::nullopt;
  HiddenRule rule;
  rule.added = param(set.params, "hidden");
  if (rule.added < std::numeric_limits<float>::lowest()) return std::nullopt;
  rule.scale = param(set.params, "scale");
  const auto dtype_of = [&](size_t operand) {
    return program.variables[static_cast<size_t>(set.operands[operand].region.variable)].dtype;
  };
  rule.dtype = dtype_of(HiddenRule::kKeys);
  const auto mask = AttentionMaskParam::of(static_cast<int64_t>(param(set.params, "mask")));
  if (mask.bias) rule.bias = dtype_of(HiddenRule::kBias);
  const Shape& keys = set.operands[HiddenRule::kKeys].region.view;
  rule.batch = keys[0];
  rule.keys = keys[1];
  return rule;
}

}  // namespace tessera

namespace tessera::codelets {

Codelet attention() {
  return {.check = check,
          .cycles = cycles,
          .code_bytes = 4096,
          .state_bytes = state_bytes,
          .temporary_bytes = temporary_bytes,
          .constants = constants,
          .scratch_bytes = scratch_bytes,
          .extents = extents,
          .products = products};
}

}  // namespace tessera::codelets
