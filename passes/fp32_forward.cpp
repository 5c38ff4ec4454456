// SPDX-License-Identifier: Apache-2.0
// Along the nodes: what f16 does not hold stays in f32, and what computes with it.
#include <fmt/format.h>

#include "passes/fp32_chooser.h"
#include "passes/fp32_sums.h"
#include "passes/matmul_range.h"
#include "support/half.h"

namespace tessera {

void Fp32Chooser::look_at(const Node* node) {
  if (node->in.empty() || !(in_f32(node) || reads_f32(node))) return;
  keep_sum(node);
  keep_beside_constants(node);
  keep_biases(node);
  keep_readers(node);
  keep_result(node);
  keep_small(node);
  keep_products(node);
  keep_differences(node);
  keep_asked(node);
}

void Fp32Chooser::keep_sum(const Node* node) {
  const int64_t count = summed(node, ranges_);
  if (count == 0 || !in_f32(node) || exact_in_half(range(node))) return;
  const std::string what = fmt::format("adds up {} numbers", count);
  if (range(node->in[0]).step != 0 && !range(node->in[0]).activation)
    keep(node, Fp32Rule::Counts, what);
  else if (adds_squares(node))
    keep(node, Fp32Rule::Statistics, what + ", squares");
  else if (!fits_half(range(node)))
    keep(node, Fp32Rule::LongReductions, what + ": " + to_string(range(node)));
  else
    keep(node, Fp32Rule::Statistics, what);
  statistics_.insert(node);
}

// A small addend matters if the sum can be as small, which is what the sum's range says. Where
// weights are added up, the largest matter that are in most of the sums.
bool Fp32Chooser::loses(const Node* node, size_t operand) const {
  const ValueRange& constant = range(node->in[operand]);
  if (!constant.activation && constant.largest() > kMaxHalf) return true;
  if (computes(node)) return !node->is(Op::Add) && !node->is(Op::Sub) && may_vanish(constant);
  const bool weighs = node->is(Op::MatMul) || node->is(Op::Gather);
  if (weighs && constant.largest() != 0 && constant.largest() < kLeastHalf) return true;
  return node->is(Op::MatMul) && most_weights_vanish(*node, operand);
}

void Fp32Chooser::keep_beside_constants(const Node* node) {
  for (size_t i = 0; i < node->in.size(); ++i) {
    Node* in = node->in[i];
    if (!in_f32(in) || !is_constant(in) || !loses(node, i)) continue;
    return keep(node, Fp32Rule::Constants, "meets a constant of " + to_string(range(in)));
  }
}

bool Fp32Chooser::adds_to_scores(const Node* node, size_t operand) const {
  if (node->is(Op::Attention)) return operand >= 3;
  for (int i = 0; i < kFarthest && (node->is(Op::Add) || node->is(Op::Select)); ++i) {
    const auto users = users_.find(node);
    if (users == users_.end() || users->second.size() != 1) return false;
    node = users->second.front();
  }
  return node->is(Op::Softmax);
}

// Weights notice how far apart the numbers are that are added to scores, to the same step however
// large they are. f16 holds numbers of 100 to a sixteenth.
void Fp32Chooser::keep_biases(const Node* node) {
  constexpr double kMost = 0.02;
  if (!node->is(Op::Attention) && !node->is(Op::Add)) return;
  for (size_t i = 0; i < node->in.size(); ++i) {
    const Node* bias = behind_views(node->in[i]);
    if (!in_f32(bias) || !bias->is(Op::Constant) || !bias->value.has_data()) continue;
    if (!adds_to_scores(node, i)) continue;
    const auto [known, is_new] = roundings_.try_emplace(bias, 0);
    if (is_new) known->second = rounding_of_scores(bias->value);
    if (known->second <= kMost) continue;
    keep(node, Fp32Rule::Biases,
         fmt::format("adds to scores what f16 rounds by {:.2g}", known->second));
    if (computes(node)) differs_.insert(node);
  }
}

void Fp32Chooser::keep_readers(const Node* node) {
  bool mixed = false, statistic = false;
  for (Node* in : node->in) {
    if (!in_f32(in) || is_constant(in)) continue;
    const auto reason = why_.find(in);
    if (!fits_half(range(in)))
      keep(node, reason == why_.end() ? Fp32Rule::WideValues : reason->second.rule,
           fmt::format("reads %{}: {}", in->name, to_string(range(in))));
    (statistics_.contains(in) ? statistic : mixed) = true;
  }
  // The largest of them is compared with them (ArgMax, TopK).
  const bool passes_on =
      computes(node) || moves(node) || hands_out(*node) || node->is(Op::ReduceMax);
  if (!statistic || !passes_on) return;
  keep(node, Fp32Rule::Statistics, "computes with a sum");
  if (in_f32(node) && !mixed) statistics_.insert(node);
}

// A product of activations is f32 as far as elements are computed one by one.
void Fp32Chooser::keep_products(const Node* node) {
  if (!computes(node) || !in_f32(node) || !is_wide_product(range(node))) return;
  keep(node, Fp32Rule::WideValues, "holds " + to_string(range(node)));
}

// Some values stand far from 0 and differ little, and some are the small difference of large
// numbers. Half precision would round both away.
const char* Fp32Chooser::why_it_differs(const Node* node) const {
  if (!in_f32(node)) return nullptr;
  if (node->in.size() == 2 && is_offset(node, range(node->in[0]), range(node->in[1])))
    return "adds a number far from 0";
  if (subtracts_input(node)) return "is a difference of an input";
  if (is_rest_of_probability(node)) return "is what a probability leaves of a number";
  if (normalizes_any(node)) return "normalizes numbers of any size";
  return takes_differences(*node) ? "takes differences by weights that add up to 0" : nullptr;
}

// They stay in fp32 until a later node bounds them. Norms and matmuls make numbers like others of
// them.
void Fp32Chooser::keep_differences(const Node* node) {
  if (const char* why = why_it_differs(node)) {
    keep(node, Fp32Rule::Statistics, why);
    cancels_.insert(node);
    if (computes(node)) differs_.insert(node);
  }
  const Node* of = nullptr;
  for (const Node* in : node->in)
    if (differs_.contains(in)) of = in;
  if (!of) return;
  keep(node, Fp32Rule::Statistics, fmt::format("reads %{}, a difference or an offset", of->name));
  if (in_f32(node) && (computes(node) || moves(node))) differs_.insert(node);
}

void Fp32Chooser::keep_result(const Node* node) {
  const ValueRange& of = range(node);
  if (!in_f32(node) || fits_half(of)) return;
  const bool whole = of.step != 0 && !of.activation;
  keep(node, whole ? Fp32Rule::Indices : Fp32Rule::WideValues, "holds " + to_string(of));
}

bool Fp32Chooser::is_small(const Node* node) const {
  const double size = sizes_.at(node);
  return in_f32(node) && size > 0 && size < kLeastHalf;
}

void Fp32Chooser::keep_small(const Node* node) {
  if (is_small(node))
    keep(node, Fp32Rule::SmallValues, fmt::format("is mostly near {:.1g}", sizes_.at(node)));
  for (Node* in : node->in)
    if (is_small(in) && !is_constant(in))
      keep(node, Fp32Rule::SmallValues,
           fmt::format("reads %{}, mostly near {:.1g}", in->name, sizes_.at(in)));
}

void Fp32Chooser::keep_asked(const Node* node) {
  const auto named = [&](const std::string& name) {
    if (!options_.fp32_nodes.contains(name)) return false;
    found_.insert(name);
    return true;
  };
  if (options_.fp32_ops.contains(node->op) && in_f32(node))
    keep(node, Fp32Rule::Asked, "its type is named by --fp16_skip_op_types");
  const auto output = outputs_.find(node);
  const bool by_output = output != outputs_.end() && named(output->second);
  if (by_output || named(node->name) || std::ranges::any_of(node->origin, named))
    keep(node, Fp32Rule::Asked, "it is named by --fp16_skip_nodes");
}

}  // namespace tessera
