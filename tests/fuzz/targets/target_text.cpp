// SPDX-License-Identifier: Apache-2.0
// The words of --target, one a line, and those of --limit.
#include "compiler/target_text.h"

#include "support/limits.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/text_mutator.h"

namespace tessera::fuzz {
namespace {

std::vector<std::string> lines_of(std::string_view input) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < input.size();) {
    const size_t end = std::min(input.find('\n', begin), input.size());
    lines.emplace_back(input.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace

void run(std::string_view input) {
  const std::vector<std::string> words = lines_of(input);
  const auto target = parse_target(words);
  if (target.ok()) note("targets");
  if (target.ok())
    for_each_field(*target, [](const char* name, auto value) {
      demand(static_cast<double>(value) > 0, std::string(name) + " is not positive");
    });
  else
    demand(!target.error().message.empty(), "an error without words");
  const auto limits = parse_limits(words);
  if (!limits) return demand(!limits.error().message.empty(), "an error without words");
  note("limits");
  for (const LimitRow& row : limit_rows())
    demand((*limits).*row.field > 0, std::string(row.name) + " is not positive");
}

std::string mutate(std::string_view input, Random& random) { return mutate_text(input, random); }

}  // namespace tessera::fuzz
