// SPDX-License-Identifier: Apache-2.0
// Options and a target's numbers by name, as they are compared; and their texts, as files and logs
// hold them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "program/target.h"

namespace tessera {

struct OptionValue {
  std::string name, value;
  bool operator==(const OptionValue&) const = default;
};
using OptionValues = std::vector<OptionValue>;

// "precision fp16\n…": a line each, and its inverse.
std::string option_text(const OptionValues& values);
OptionValues parse_option_values(std::string_view text);

// {"name", "c600"}, {"tiles", "1472"}, …
OptionValues target_values(const Target& target);
// "c600 tiles=1472 …", and its inverse.
std::string target_text(const OptionValues& values);
OptionValues parse_target_values(std::string_view text);

}  // namespace tessera
