// SPDX-License-Identifier: Apache-2.0
#include "ir/attention_mask.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace tessera {
namespace {

constexpr std::string_view kNumbered = "keys:", kBias = "bias", kGuard = "+guard";
constexpr std::array<std::string_view, 4> kMaskKinds = {"none", "keys", "segments", "lengths"};

bool cut_off(std::string_view& text, std::string_view end) {
  if (!text.ends_with(end)) return false;
  text.remove_suffix(end.size());
  return true;
}

// NUMBER of "keys:NUMBER".
std::optional<double> hidden_by(std::string_view text) {
  const std::string number(text);
  char* end = nullptr;
  const double hidden = std::strtof(number.c_str(), &end);
  if (number.empty() || *end != '\0' || !(hidden < 0)) return std::nullopt;
  return hidden;
}

}  // namespace

std::optional<AttentionMask> attention_mask(std::string_view attribute) {
  AttentionMask mask;
  mask.guarded = cut_off(attribute, kGuard);
  if (attribute == kBias) {
    mask.bias = true;
    attribute = kMaskKinds[0];
  } else if (attribute != "none+bias") {
    mask.bias = cut_off(attribute, "+bias");
  }
  if (attribute.starts_with(kNumbered)) {
    mask.hidden = hidden_by(attribute.substr(kNumbered.size()));
    mask.kind = "keys";
    return mask.hidden ? std::optional(mask) : std::nullopt;
  }
  const auto* const found = std::ranges::find(kMaskKinds, attribute);
  if (found == kMaskKinds.end()) return std::nullopt;
  mask.kind = *found;
  return mask;
}

std::string keys_hidden_by(double number) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.9g", number);  // all that a float has
  return std::string(kNumbered) + text.data();
}

}  // namespace tessera
