// SPDX-License-Identifier: Apache-2.0
// What the attribute `mask` of an attention says.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tessera {

struct AttentionMask {
  std::string_view kind;  // none, keys, segments, lengths or bias; refers to the attribute
  // Of "keys:NUMBER": what the model adds to the score of a key that is hidden. It says what a
  // query gets that sees no key; without it that is 0.
  std::optional<double> hidden = {};
};

// Nothing where the attribute is none of these.
std::optional<AttentionMask> attention_mask(std::string_view attribute);
// "keys:NUMBER", for that number to come back.
std::string keys_hidden_by(double number);

}  // namespace tessera
