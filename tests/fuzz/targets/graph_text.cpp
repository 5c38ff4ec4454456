// SPDX-License-Identifier: Apache-2.0
// Graphs as text: parsed, verified, printed, and parsed again to the same.
#include "ir/text.h"
#include "ir/verify.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/text_mutator.h"

namespace tessera::fuzz {

void run(std::string_view input) {
  const auto graph = parse_graph(input);
  if (!graph) return demand(!graph.error().message.empty(), "an error without words");
  note("parsed");
  demand(verify(*graph).ok(), "a parsed graph is not sound");
  const PrintOptions all{.max_values = 1 << 20, .origins = false};
  const std::string text = print(*graph, all);
  const auto again = parse_graph(text);
  demand(again.ok(), "what was printed cannot be parsed: " +
                         (again.ok() ? std::string() : again.error().message));
  demand(print(*again, all) == text, "printed and parsed, it is another");
}

std::string mutate(std::string_view input, Random& random) { return mutate_text(input, random); }

}  // namespace tessera::fuzz
