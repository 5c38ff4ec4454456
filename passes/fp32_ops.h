// SPDX-License-Identifier: Apache-2.0
// How each op stands to precision, for the rules of fp32_nodes.h.
#pragma once

#include "passes/op_rules.h"
#include "passes/value_range.h"

namespace tessera {

inline bool computes(const Node* node) { return role_of(node->op) == FloatRole::Computes; }
inline bool moves(const Node* node) { return role_of(node->op) == FloatRole::Moves; }
inline bool in_f32(const Node* node) { return node->type.dtype == DType::F32; }
bool reads_f32(const Node* node);

// Whether it is f32, and of the few ops that make a sum: what nobody else reads stays in f32.
bool leads_to_a_sum(const Node* node);

// A sum or difference with a constant so far from 0 that f16 drops bits of an activation beside it:
// no bias that was trained is, in all its elements.
bool is_offset(const Node* node, const ValueRange& a, const ValueRange& b);
// Whether it is a float input behind moves, bounds, factors, offsets and functions of one number.
bool is_made_of_input(const Node* node);
// 1 less a probability that a softmax made, moved or added up with others: what is small is left of
// a number near 1.
bool is_rest_of_probability(const Node* node);
// The difference of an input and of something else that is computed: what is small between them,
// f16 may already have lost.
bool subtracts_input(const Node* node);
// How far apart f16 rounds the numbers of a constant that a softmax along its last axis compares;
// those below -1000, which hide, are left out.
double rounding_of_scores(const Tensor& bias);
// A norm of an input: users' numbers may be as large or small as they like, and what it makes of
// them is not. Or one whose epsilon is meant for numbers that f16 does not hold.
bool normalizes_any(const Node* node);

// The node that this one is the square of, by a product or a power; null if there is
// not one.
const Node* squared_by(const Node* node);
// The factor of a product behind views, numbers and masks: a square in it, if there is one.
const Node* behind_factors(const Node* node);

}  // namespace tessera
