// SPDX-License-Identifier: Apache-2.0
// Back along the operands: what a user cannot do with less than f32 of stays in f32.
#include <fmt/format.h>

#include "passes/fp32_chooser.h"
#include "passes/fp32_sums.h"
#include "passes/matmul_range.h"

namespace tessera {

void Fp32Chooser::look_back_from(const Node* node) {
  ask_for_indices(node);
  ask_for_divisors(node);
  ask_for_angles(node);
  ask_for_parts(node);
  ask_for_terms(node);
  keep_if_read_in_f32(node);
}

// A float stays in f32 if it becomes an i32, or if it is made of inputs and compared.
void Fp32Chooser::ask_for_indices(const Node* node) {
  const bool into_i32 = node->is(Op::Cast) && node->type.dtype == DType::I32;
  const bool asked = to_index_.contains(node);
  const bool compares = node->type.dtype == DType::Bool;
  if (role_of(node->op) == FloatRole::Heavy || !(into_i32 || asked || compares)) return;
  for (const Node* in : node->in) {
    if (!in_f32(in) || exact_in_half(range(in))) continue;
    if (!into_i32 && !asked && !compares_given(node)) continue;
    const char* why =
        into_i32 ? "becomes a whole number" : "is compared, or an index is made of it";
    keep(node, Fp32Rule::Indices, why);
    note_f16_input(in);
    if (role_of(in->op) == FloatRole::Heavy) continue;
    keep(in, Fp32Rule::Indices, fmt::format("%{} is made of it", node->name));
    to_index_.insert(in);
  }
}

bool Fp32Chooser::compares_given(const Node* node) const {
  return std::ranges::all_of(node->in,
                             [&](const Node* in) { return range(in).given || splat(in); });
}

// 1/x and log x are sensitive next to 0. The quotient of two inputs may matter by what it differs
// from 1.
void Fp32Chooser::ask_for_divisors(const Node* node) {
  const Node* sensitive = nullptr;
  if (node->is(Op::Div)) sensitive = node->in[1];
  if (node->is(Op::Log)) sensitive = node->in[0];
  if (node->is(Op::Pow) && splat(node->in[1]).value_or(0) < 0) sensitive = node->in[0];
  if (divides_.contains(node))
    for (const Node* in : node->in) ask_for_divisor(node, in);
  if (sensitive) ask_for_divisor(node, sensitive);
  if (node->is(Op::Div) && is_made_of_input(node->in[0]) && is_made_of_input(node->in[1]))
    ask_for_divisor(node, node->in[0]);
}

void Fp32Chooser::ask_for_divisor(const Node* node, const Node* in) {
  const ValueRange& of = range(in);
  const FloatRole made = role_of(in->op);
  if (!in_f32(in) || splat(in) || of.lo >= kLeastHalf || of.hi <= -kLeastHalf) return;
  if (made == FloatRole::Heavy || in->is(Op::Gelu)) return;
  keep(node, Fp32Rule::Divisors, "divides, or takes a logarithm");
  keep(in, Fp32Rule::Divisors, fmt::format("%{} divides by it: {}", node->name, to_string(of)));
  if (made != FloatRole::Reduces) divides_.insert(in);
}

// f16 holds an angle of 100 to a thirtieth of a radian, and the position that it is made of to one
// part in 2048.
void Fp32Chooser::ask_for_angles(const Node* node) {
  if (!node->is(Op::Sin) && !node->is(Op::Cos) && !turns_.contains(node)) return;
  for (const Node* in : node->in) {
    const bool is_made = role_of(in->op) != FloatRole::Heavy || in->is(Op::MatMul);
    if (!in_f32(in) || splat(in) || !is_made) continue;
    keep(node, Fp32Rule::Angles, "is a sine or cosine, or makes an angle");
    keep(in, Fp32Rule::Angles, fmt::format("%{} is made of this angle", node->name));
    turns_.insert(in);
  }
}

// The operands of a sum in f32 stay in f32.
void Fp32Chooser::ask_for_parts(const Node* node) {
  if (!kept(node) || summed(node, ranges_) == 0 || why_.at(node).rule == Fp32Rule::Asked) return;
  for (const Node* in : node->in) {
    if (!leads_to_a_sum(in)) continue;
    if (kept(in) && why_.at(in).rule == Fp32Rule::WideValues) why_.erase(in);  // this says more
    keep(in, why_.at(node).rule, fmt::format("%{} adds it up", node->name));
  }
}

// The terms of a difference of squares, or of a sum beside an offset, stay in f32, back to the sums
// that made them.
void Fp32Chooser::ask_for_terms(const Node* node) {
  const auto squares = [&](const Node* in) { return range(in).power > 1 && kept(in); };
  const bool is_sum = node->is(Op::Sub) || node->is(Op::Add);
  const auto is_square = [&](const Node* in) { return squared_by(behind_factors(in)) != nullptr; };
  const bool is_variance = node->is(Op::Sub) && is_square(node->in[1]);
  const bool differs = is_sum && kept(node) && std::ranges::any_of(node->in, squares) &&
                       (is_variance || why_.at(node).rule == Fp32Rule::Statistics);
  if (!differs && !cancels_.contains(node)) return;
  for (Node* in : node->in) {
    if (!in_f32(in) || is_constant(in)) continue;
    const FloatRole role = role_of(in->op);
    const bool made = role == FloatRole::Moves || role == FloatRole::Reduces ||
                      in->is(Op::MatMul) || (role == FloatRole::Computes && !in->is(Op::Gelu));
    const bool is_chain = node->is(Op::MatMul) && in->is(Op::MatMul) && !takes_differences(*node);
    if (!made || is_chain) continue;
    keep(in, Fp32Rule::Statistics, fmt::format("%{} is a difference of it", node->name));
    if (!in->is(Op::Softmax)) cancels_.insert(in);
  }
}

void Fp32Chooser::keep_if_read_in_f32(const Node* node) {
  const auto users = users_.find(node);
  if (kept(node) || !leads_to_a_sum(node) || users == users_.end()) return;
  if (!std::ranges::all_of(users->second, [&](const Node* user) { return kept(user); })) return;
  const Node* user = users->second.front();
  if (why_.at(user).rule == Fp32Rule::Asked) return;
  keep(node, why_.at(user).rule, fmt::format("%{} reads it in f32", user->name));
}

}  // namespace tessera
