// SPDX-License-Identifier: Apache-2.0
// The attribute `mask` of an attention. Its text is KIND, KIND+bias, or either with +guard behind
// it. A bias alone, without a mask of keys, is written "bias".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tessera {

struct AttentionMask {
  std::string_view kind;  // who sees whom: none, keys, segments or lengths; refers to constants
  // NUMBER of "keys:NUMBER": the model adds it to the score of a hidden key. It says what a
  // query gets that sees no key; without it that is 0.
  std::optional<double> hidden = {};
  bool bias = false;     // the last operand is added to the scores
  bool guarded = false;  // a query whose weights are NaN gets 0

  bool has_keys() const { return kind != "none"; }
  size_t operands() const { return 3 + (has_keys() ? 1 : 0) + (bias ? 1 : 0); }
  size_t bias_operand() const { return operands() - 1; }
};

// Nothing where the attribute is not one of these.
std::optional<AttentionMask> attention_mask(std::string_view attribute);
// "keys:NUMBER", for that number to come back.
std::string keys_hidden_by(double number);

}  // namespace tessera
