// SPDX-License-Identifier: Apache-2.0
#include "packing/policy.h"

#include <array>

namespace tessera {
namespace {

constexpr std::array kAll = {PackPolicy::NextFit, PackPolicy::FirstFit, PackPolicy::BestFit,
                             PackPolicy::Window,  PackPolicy::Spfhp,    PackPolicy::Lpfhp};

}  // namespace

std::span<const PackPolicy> all_policies() { return kAll; }

std::string_view to_string(PackPolicy policy) {
  switch (policy) {
    case PackPolicy::NextFit: return "next_fit";
    case PackPolicy::FirstFit: return "first_fit";
    case PackPolicy::BestFit: return "best_fit";
    case PackPolicy::Window: return "window";
    case PackPolicy::Spfhp: return "spfhp";
    case PackPolicy::Lpfhp: return "lpfhp";
  }
  return "";
}

std::string policy_words() {
  std::string words;
  for (const PackPolicy policy : kAll) {
    if (policy != kAll.front()) words += policy == kAll.back() ? " or " : ", ";
    words += to_string(policy);
  }
  return words;
}

Expected<PackPolicy> parse_policy(std::string_view name) {
  for (const PackPolicy policy : kAll)
    if (name == to_string(policy)) return policy;
  return Error{"'" + std::string(name) + "', must be " + policy_words(), ErrorKind::Usage};
}

bool packs_a_stream(PackPolicy policy) {
  return policy != PackPolicy::Spfhp && policy != PackPolicy::Lpfhp;
}

Status check_rule(const PackRule& rule) {
  const auto must_be = [](const char* what, int64_t value, const std::string& range) {
    return Error{std::string(what) + ": " + std::to_string(value) + ", must be " + range,
                 ErrorKind::Usage};
  };
  if (rule.window < 1) return must_be("window", rule.window, "at least 1");
  if (rule.pinned < 0 || rule.pinned > rule.window)
    return must_be("pinned", rule.pinned, "in 0.." + std::to_string(rule.window) + ", the window");
  if (rule.depth < 0) return must_be("depth", rule.depth, "at least 0");
  return {};
}

}  // namespace tessera
