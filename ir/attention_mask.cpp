// SPDX-License-Identifier: Apache-2.0
#include "ir/attention_mask.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

namespace tessera {
namespace {

constexpr std::string_view kNumbered = "keys:";
constexpr std::array<std::string_view, 5> kKinds = {"none", "keys", "segments", "lengths", "bias"};

}  // namespace

std::optional<AttentionMask> attention_mask(std::string_view attribute) {
  if (std::ranges::find(kKinds, attribute) != kKinds.end()) return AttentionMask{attribute};
  if (!attribute.starts_with(kNumbered)) return std::nullopt;
  const std::string number(attribute.substr(kNumbered.size()));
  char* end = nullptr;
  const double hidden = std::strtof(number.c_str(), &end);
  if (number.empty() || *end != '\0' || !(hidden < 0)) return std::nullopt;
  return AttentionMask{attribute.substr(0, kNumbered.size() - 1), hidden};
}

std::string keys_hidden_by(double number) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.9g", number);  // all that a float has
  return std::string(kNumbered) + text.data();
}

}  // namespace tessera
